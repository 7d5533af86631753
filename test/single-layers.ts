/** Single layers of packed networks as networks of their own, between the layouts they have there. */

import { resultCandidates } from "../passes/pack-candidates.ts";
import { probeRows } from "../passes/pack-rows.ts";
import { Random } from "../src/base/random.ts";
import { noSpan } from "../src/base/span.ts";
import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import { GraphBuilder, type NodeDraft } from "../src/ir/builder.ts";
import { annotationOf, type Graph, inputNodes, type Node, type NodeId, nodeAt } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import type { NetworkOpName, OpName } from "../src/ops/index.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { type Candidate, imageResults, listLayout } from "../src/packing/candidates.ts";
import { type LayerPlan, writeLayerPlan } from "../src/packing/layer-plan.ts";
import { planLayer } from "../src/packing/plan-layer.ts";
import { spread } from "../src/packing/positions.ts";
import { idle, type Layout, layoutElements, placementText, printLayout } from "../src/scheme/layout.ts";
import type { SlotVector } from "../src/scheme/slot-vector.ts";

/** The linear layers of a packed network, those of equal op, layouts and plan once. */
export function singleLayers(packed: Graph): Graph[] {
  const found = new Map<string, Graph>();
  for (const node of packed.nodes) {
    const plan = annotationOf(node, "plan");
    if (plan === undefined) continue;
    const layouts = [node, ...inputNodes(packed, node)].map(({ type }) =>
      "layout" in type ? printLayout(type.layout) : "",
    );
    const key = JSON.stringify([node.op, layouts, plan.named]);
    if (!found.has(key)) found.set(key, singleLayer(packed, node));
  }
  return [...found.values()];
}

function singleLayer(packed: Graph, node: Node): Graph {
  const out = new GraphBuilder(node.name);
  const made = new Map<NodeId, NodeId>();
  for (const input of inputNodes(packed, node)) {
    if (made.has(input.id)) continue;
    const { op, attrs, type, name } = input;
    const range: readonly [number, number] = [-1, 1];
    const draft =
      type.kind === "packed"
        ? { op: "input" as const, inputs: [], attrs: { shape: type.shape, range }, name, span: noSpan, type }
        : { op, inputs: [], attrs, name, span: noSpan, type };
    made.set(input.id, out.add(draft as NodeDraft<OpName>));
  }
  const inputs = node.inputs.map((id) => made.get(id)!);
  out.output("y", out.add({ ...node, inputs } as NodeDraft<OpName>));
  return out.build();
}

/** A layer of its own between given layouts: operands are encrypted, in a layout, or weights. */
export function plannedLayer(
  op: NetworkOpName,
  attrs: object,
  operands: readonly ({ readonly shape: Shape; readonly layout: Layout } | Tensor)[],
  result: { readonly shape: Shape; readonly layout: Layout },
  plan: LayerPlan,
): Graph {
  const out = new GraphBuilder(op);
  const inputs = operands.map((o) =>
    "data" in o
      ? out.add({ op: "constant", inputs: [], attrs: { data: o }, name: "w", span: noSpan })
      : out.add({
          op: "input",
          inputs: [],
          attrs: { shape: o.shape, range: [-1, 1] },
          name: "x",
          span: noSpan,
          type: { kind: "packed", ...o },
        }),
  );
  const annotations = [{ name: "plan", positional: [], named: writeLayerPlan(plan) }];
  const type = { kind: "packed", ...result } as const;
  out.output("y", out.add({ op, inputs, attrs, name: op, span: noSpan, annotations, type } as NodeDraft<OpName>));
  return out.build();
}

/** Random values for the inputs of a layer, even in -1 .. 1. */
export function drawnInputs(layer: Graph, seed: number): Map<string, Tensor> {
  const random = new Random(seed);
  const drawn = (shape: Shape): Tensor => ({
    shape,
    data: Float64Array.from({ length: elementCount(shape) }, () => 2 * random.uniform() - 1),
  });
  return new Map(layer.nodes.flatMap((n) => (n.op === "input" ? [[n.name, drawn(n.attrs.shape)] as const] : [])));
}

/** Puts junk of a size into the idle slots of a value; it recurs as the layout says and no more. */
export function withJunk(parts: readonly SlotVector[], layout: Layout, size: number): SlotVector[] {
  const elements = layoutElements(layout);
  const { slots, repeats, complex } = layout;
  const filled = (part: Float64Array, plane: number) =>
    part.map((v, s) => (elements[plane * slots + s] === idle ? size * Math.sin(1 + (s % repeats) * 7 + plane) : v));
  return parts.map(({ re, im }, c) => ({
    re: filled(re, complex ? 2 * c : c),
    im: im === undefined ? undefined : filled(im, 2 * c + 1),
  }));
}

/** The first slot whose contents do not recur as the layout says, or -1. */
export function firstNotRecurring(parts: readonly SlotVector[], { repeats }: Layout, small: number): number {
  for (const { re, im } of parts)
    for (const part of [re, im ?? new Float64Array()]) {
      const at = part.findIndex((v, s) => !(Math.abs(v - part[s % repeats]!) <= small));
      if (at >= 0) return at;
    }
  return -1;
}

/** What a layer is, in a line. */
export function layerText(layer: Graph): string {
  const node = layer.nodes.at(-1)!;
  const layouts = layer.nodes.flatMap(({ type }) => ("layout" in type ? [placementText(type.layout)] : []));
  return `${layer.name} (${node.op}): ${layouts.join(" -> ")} by ${JSON.stringify(annotationOf(node, "plan")?.named)}`;
}

const features = { mixing: true, complex: true, windows: true, client: true, spectral: false };
/** About what rotations and products cost in a large ring. */
const costs = { rotation: 20, product: 1 };

/**
 * A layer of one operand packed as the compiler would between its neighbours, from the layout it finds. The plan is made for
 * all its weights; of those the share `kept` is left, which spares a test time and memory and visits all steps of the plan.
 */
export function packedLayer(
  op: "conv2d" | "dense",
  attrs: object,
  operand: { readonly shape: Shape; readonly layout: Layout },
  weights: Shape,
  kept = 1,
  isLast = false,
): Graph {
  const random = new Random(1);
  const data = Float64Array.from({ length: elementCount(weights) }, () => random.normal());
  const out = new GraphBuilder(op);
  const x = out.add({
    op: "input",
    inputs: [],
    attrs: { shape: operand.shape, range: [-1, 1] },
    name: "x",
    span: noSpan,
  });
  const w = out.add({ op: "constant", inputs: [], attrs: { data: { shape: weights, data } }, name: "w", span: noSpan });
  const y = out.add({ op, inputs: [x, w], attrs, name: op, span: noSpan } as NodeDraft<OpName>);
  const graph = out.build();
  const { map, coefficients } = linearLayer(graph, nodeAt(graph, y))!;
  const shape = shapeOf(nodeAt(graph, y).type)!;
  const from = spread(operand.layout);
  const { slots } = operand.layout;
  const candidates = resultCandidates(
    nodeAt(graph, y),
    shape,
    [{ shape: operand.shape, spread: from }],
    [],
    slots,
    features,
    isLast,
  );
  const planned = candidates.flatMap(({ to, folds }) => {
    const halving = features.complex;
    const rows = probeRows(shape, map);
    const request = { map, coefficients, from: [from], to: spread(to), folds, costs, rows };
    return planLayer({ ...request, features: { mixing: features.mixing, halving } }) ?? [];
  });
  const { to, plan } = planned.reduce((best, p) => (p.cost < best.cost ? p : best));
  const fewer = { shape: weights, data: data.map((v) => (random.uniform() < kept ? v : 0)) };
  return plannedLayer(op, attrs, [operand, fewer], { shape, layout: to }, plan);
}

/** Attributes of a convolution with the same padding on all sides. */
export const conv = (pad: number, stride = 1) => ({
  stride: [stride, stride],
  pad: [pad, pad, pad, pad],
  dilation: [1, 1],
  groups: 1,
});

/** An image as strided convolutions of a 32 x 32 image leave it, pixels `gap` slots apart; it recurs if there is room. */
export function imageAt(shape: Shape, gap: number, slots: number) {
  const [{ to }] = imageResults(shape, gap, 32 * gap, 1, slots) as [Candidate];
  return { shape, layout: { ...to, repeats: spread(to).period } };
}

/** A list, recurring. */
export function listAt(length: number, slots: number) {
  const layout = listLayout(length, slots);
  return { shape: [length], layout: { ...layout, repeats: spread(layout).period } };
}
