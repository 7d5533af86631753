import { Random } from "../src/base/random.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { elementCount } from "../src/base/tensor.ts";
import { useCounts } from "../src/ir/analysis.ts";
import { evaluate, inputsOf } from "../src/ir/evaluate.ts";
import { type Graph, type NodeId, nodeAt } from "../src/ir/graph.ts";
import { type Draft, rewrite } from "../src/ir/rewrite.ts";
import { findSkips } from "../src/ir/skips.ts";
import { addConstant } from "./fold.ts";
import { addWeighted, type Weights } from "./fold-affine.ts";
import { definePass } from "./pass.ts";
import { type BlockLayer, type ResidualBlock, residualBlocks } from "./residual-blocks.ts";

/**
 * Replaces skips around two or three layers by Dirac convolutions, where `skips = dirac` asks for it. This changes what the
 * network computes: it is the start of a network that is to be tuned.
 *
 * A skip around activations keeps a value alive over all of a block, ties the layouts and levels of its ends together, and
 * costs a product where it joins. A Dirac convolution has its skip inside, in front of the activation, where it is part
 * of the weights: alpha Delta + beta W / ||W||, a factor of each per output channel (Zagoruyko and Komodakis, arXiv 1706.00388,
 * section 2; instead of skips in encrypted inference: Drucker and Zimerman, arXiv 2306.06736). Delta has one tap per
 * channel, or is what lay on the way around, where the first layer has room for it.
 *
 * Without data alpha = 1 and beta = ||W||: each layer of a block becomes W + Delta. `sealwright rewrite` finds better
 * factors on data, and adds one long skip from the first to the last block of a stage.
 *
 * Leaves alone: skips around linear layers, which `rewrite-skips` folds without any loss; those around more layers than three;
 * layers others read, even kernels and padding that moves the image.
 *
 * Before:                                         After:
 *   a = relu(conv2d(x, w, pad = 1))                 a = relu(conv2d(x, w', pad = 1))  # w' = w + Delta
 *   y = relu(add(conv2d(a, v, pad = 1), x))         y = relu(conv2d(a, v', pad = 1))  # v' = v + Delta
 */
export const diracSkips = definePass({
  name: "dirac-skips",
  doc: "Replace skips around activations by Dirac convolutions; only with skips = dirac, as it changes the function.",
  run(graph, { settings, diagnostics }) {
    if (settings.skips !== "dirac") return graph;
    const blocks = residualBlocks(graph);
    if (blocks.length === 0) {
      const [skip] = findSkips(graph);
      if (skip !== undefined) diagnostics.report("no-skips-replaced", skip.join.span, { network: graph.name });
      return graph;
    }
    const weights = new Map(blocks.flatMap(({ layers }) => layers.map((l) => [l.node.id, plusDelta(l)] as const)));
    const changed = replaceSkips(graph, blocks, { weights, longSkips: new Map() });
    const percent = Number((100 * lossOnRandomInputs(graph, changed)).toPrecision(2));
    diagnostics.report("skips-replaced", blocks[0]!.join.span, { network: graph.name, count: blocks.length, percent });
    return changed;
  },
});

/** What takes the place of skips. */
export interface Replacement {
  /** Of every layer of the blocks. */
  readonly weights: ReadonlyMap<NodeId, Weights>;
  /** By the join it takes the place of: a value and its factor per channel. */
  readonly longSkips: ReadonlyMap<NodeId, { readonly source: NodeId; readonly scale: Float64Array }>;
}

/** A network whose blocks have other weights, under their old names, and no skips but the long ones. */
export function replaceSkips(
  graph: Graph,
  blocks: readonly ResidualBlock[],
  { weights, longSkips }: Replacement,
): Graph {
  const last = new Map(blocks.map(({ join, chain }) => [join.id, chain.at(-1)!.id]));
  const numbers = constantsOf(graph, weights);
  return rewrite(graph, (node, out, draft, mapped) => {
    const data = numbers.get(node.id);
    if (data !== undefined) return out.add({ ...draft, attrs: { data } } as Draft);
    const own = weights.get(node.id);
    if (own !== undefined && !numbers.has(node.inputs[1]!))
      return addWeighted(out, node as BlockLayer["node"], draft.inputs[0]!, own);
    const end = last.get(node.id);
    if (end === undefined) return undefined;
    const long = longSkips.get(node.id);
    if (long === undefined) return mapped(end);
    const { name, span } = node;
    const scale = addConstant(out, node, "scale", { shape: [long.scale.length], data: long.scale });
    const inputs = [mapped(long.source), scale];
    const source = out.add({ op: "multiply", inputs, attrs: {}, name: `${name}.long_skip`, span });
    return out.add({ op: "add", inputs: [mapped(end), source], attrs: {}, name, span });
  });
}

/** New numbers of the constants of layers that have a weight and a bias of their own. */
function constantsOf(graph: Graph, weights: Replacement["weights"]): ReadonlyMap<NodeId, Tensor> {
  const uses = useCounts(graph);
  const numbers = new Map<NodeId, Tensor>();
  for (const [id, { weight, bias }] of weights) {
    const [, ...constants] = nodeAt(graph, id).inputs;
    if (constants.length < 2 || constants.some((constant) => uses.get(constant)! > 1)) continue;
    numbers.set(constants[0]!, weight).set(constants[1]!, { shape: [bias.length], data: bias });
  }
  return numbers;
}

/** Weights of a layer that also passes its operand on. */
export function plusDelta({ weights: { weight, bias }, delta }: BlockLayer, factor = 1): Weights {
  const data = weight.data.map((w, i) => w + factor * delta.weight.data[i]!);
  return { weight: { shape: weight.shape, data }, bias: bias.map((b, o) => b + factor * delta.bias[o]!) };
}

/** Inputs that are drawn; a network with many outputs or layers is not to take minutes. */
const samples = 4;

function lossOnRandomInputs(before: Graph, after: Graph): number {
  const random = new Random(1);
  const drawn = Array.from({ length: samples }, (): ReadonlyMap<string, Tensor> => {
    const inputs = inputsOf(before).map(
      ({
        name,
        attrs: {
          shape,
          range: [low, high],
        },
      }) => {
        const data = Float64Array.from({ length: elementCount(shape) }, () => low! + (high! - low!) * random.uniform());
        return [name, { shape, data }] as const;
      },
    );
    return new Map(inputs);
  });
  const results = (graph: Graph) => drawn.flatMap((inputs) => [...evaluate(graph, inputs).values()]);
  return relativeError(results(before), results(after));
}

/** Root mean square of the differences, as a share of that of the wanted values; 0 where both are 0. */
export function relativeError(wanted: readonly Tensor[], found: readonly Tensor[]): number {
  let [error, size] = [0, 0];
  for (const [i, { data }] of wanted.entries()) {
    for (const [k, w] of data.entries()) {
      error += (found[i]!.data[k]! - w) ** 2;
      size += w * w;
    }
  }
  return error === 0 ? 0 : Math.sqrt(error / size);
}
