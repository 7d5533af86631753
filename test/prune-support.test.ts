import * as fc from "fast-check";
import { expect, it } from "vitest";
import { plannedNodes } from "../passes/planned-layers.ts";
import { weightGroups } from "../passes/prune/groups.ts";
import { removableCosts, supportMap } from "../passes/prune/support-map.ts";
import { zeroWeights } from "../passes/prune/zero-weights.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { mappedModel } from "../src/driver/model-groups.ts";
import { GraphBuilder, type NodeDraft } from "../src/ir/builder.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { RemovableCost } from "../src/ir/weight-groups.ts";
import type { OpName } from "../src/ops/index.ts";
import { type LayerPlan, plainOperand, writeLayerPlan } from "../src/packing/layer-plan.ts";
import { isSpectral } from "../src/packing/spectral-weights.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { digit, layoutOf } from "../src/scheme/layout.ts";
import { networks } from "./arbitrary.ts";
import { packed } from "./lowered.ts";
import { attrsFor, Net, randomTensor } from "./ops-builder.ts";
import { compiled, costOf, leavesUnread } from "./prune-counts.ts";

const layers = ["conv2d", "dense", "add", "square", "avg_pool", "flatten", "sum_of"] as const;

it("zeroing a group of the support map removes exactly the cost it names", () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(
      networks({ layers, maxLayers: 4, maxDepth: 4, maxElements: 96 }),
      fc.constantFrom(1024, 2048),
      fc.nat(),
      ({ graph }, degree, pick) => {
        const network = compiled(packed(graph, degree), degree, "assign-levels", "lower-to-he");
        if (plannedNodes(network).size === 0 || leavesUnread(network)) return;
        const before = costOf(network, degree);
        const costs = removableCosts(supportMap(network, defaultCostTable, 100));
        for (const kind of ["product", "baby", "giant", "operand", "result", "key"] satisfies RemovableCost["kind"][]) {
          const own = costs.filter((c) => c.kind === kind);
          const cost = own[pick % Math.max(1, own.length)];
          if (cost === undefined) continue;
          kinds.add(kind);
          const pruned = zeroWeights(network, cost.parts);
          const after = costOf(pruned, degree);
          const { rotations, products, keys } = cost.removes;
          const label = `${cost.kind} ${cost.label}`;
          const [lessRotations, lessProducts] = [before.rotations - after.rotations, before.products - after.products];
          if (leavesUnread(pruned)) {
            expect(lessRotations, label).toBeGreaterThanOrEqual(rotations);
            expect(lessProducts, label).toBeGreaterThanOrEqual(products);
          } else
            expect([lessRotations, lessProducts, before.keys - after.keys], label).toEqual([rotations, products, keys]);
        }
      },
    ),
    { numRuns: 100 },
  );
  expect([...kinds].sort()).toEqual(["baby", "giant", "key", "operand", "product", "result"]);
});

/** A layer between channel-major layouts, rotated by giant steps for its channels and by baby steps for its taps alone. */
function withoutChannelBabies(op: "conv2d" | "dense", channels: number, side: number): Graph {
  const slots = 512;
  const image = side * side;
  const shape = op === "dense" ? [channels] : [channels, side, side];
  const copies = slots / (channels * image);
  const layout = layoutOf(slots, 1, shape, [
    ...(op === "dense"
      ? [digit(0, channels, 1)]
      : [digit(2, side, 1), digit(1, side, side), digit(0, channels, image)]),
    digit("copy", copies, channels * image),
  ]);
  const type = { kind: "packed", shape, layout: { ...layout, repeats: channels * image } } as const;
  const taps = [-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x) => y * side + x));
  const plan: LayerPlan = {
    operands: [{ ...plainOperand, babies: op === "dense" ? [0] : taps }],
    giants: Array.from({ length: channels }, (_, k) => k * image),
    folds: [],
    pairs: false,
  };
  const out = new GraphBuilder("diagonals");
  const add = (draft: object) =>
    out.add({ inputs: [], attrs: {}, span: noSpan, ...draft } as unknown as NodeDraft<OpName>);
  const x = add({ op: "input", attrs: { shape, range: [-1, 1] }, name: "x", type });
  const weight = randomTensor(op === "dense" ? [channels, channels] : [channels, channels, 3, 3]);
  const w = add({ op: "constant", attrs: { data: weight }, name: "w" });
  const annotations = [{ name: "plan", positional: [], named: writeLayerPlan(plan) }];
  const attrs = attrsFor(op, op === "dense" ? {} : { pad: 1 });
  out.output("y", add({ op, inputs: [x, w], attrs, name: "y", annotations, type }));
  return compiled(out.build(), 2 * slots, "assign-levels", "lower-to-he");
}

it.for([
  { op: "dense", channels: 16, side: 1, products: 1 },
  { op: "conv2d", channels: 8, side: 8, products: 9 },
] as const)("a diagonal of $op without channel babies removes one rotation and its products", (one) => {
  const graph = withoutChannelBabies(one.op, one.channels, one.side);
  const before = costOf(graph, 1024);
  const groups = weightGroups(supportMap(graph, defaultCostTable, 100), "diagonal");
  expect(groups.map((g) => g.label)).toEqual(
    Array.from({ length: one.channels }, (_, k) => `diagonal ${k} of ciphertext 0`),
  );
  for (const [k, group] of groups.entries()) {
    const rotations = k === 0 ? 0 : 1;
    expect(group.removes).toMatchObject({ rotations, products: one.products, ciphertexts: 0 });
    const after = costOf(zeroWeights(graph, [group]), 1024);
    expect([before.rotations - after.rotations, before.products - after.products]).toEqual([rotations, one.products]);
  }
});

it.for(["positional", "diagonal", "channel", "aligned"] as const)(
  "a group of kind %s names tensors and what goes with it",
  (kind) => {
    const net = new Net();
    const x = net.input([4, 6, 6]);
    const c = net.op("conv2d", [x, net.constant([4, 4, 3, 3], undefined, "c.w")], { pad: 1 }, { name: "c" });
    const d = net.op(
      "dense",
      [net.op("flatten", [net.op("square", [c])]), net.constant([10, 144], undefined, "d.w")],
      {},
      { name: "d" },
    );
    const graph = compiled(packed(net.graph(d), 2048), 2048, "assign-levels", "lower-to-he");
    const before = costOf(graph, 2048);
    const groups = weightGroups(supportMap(graph, defaultCostTable, 100), kind);
    expect(groups.length).toBeGreaterThan(4);
    for (const group of groups) {
      expect([group.kind, group.weight]).toEqual([kind, `${group.layer}.w`]);
      expect([...group.indices]).toEqual([...new Set(group.indices)].sort((a, b) => a - b));
    }
    for (const group of groups.filter((_, i) => i % 7 === 0)) {
      const after = costOf(zeroWeights(graph, [group]), 2048);
      const { rotations, products, keys } = group.removes;
      expect([before.rotations - after.rotations, before.products - after.products, before.keys - after.keys]).toEqual([
        rotations,
        products,
        keys,
      ]);
    }
  },
);

it("products on coefficients go together with all weights between two ciphertexts", { timeout: 60_000 }, () => {
  const net = new Net();
  const x = net.input([16, 16, 16]);
  const a = net.op("conv2d", [x, net.constant([32, 16, 3, 3], undefined, "a.w")], { pad: 1 }, { name: "a" });
  const b = net.op(
    "conv2d",
    [net.op("relu", [a]), net.constant([32, 32, 3, 3], undefined, "b.w")],
    { pad: 1 },
    { name: "b" },
  );
  const settings = { ...defaultSettings, precision: 4, activations: new Map([["relu", { kind: "client" } as const]]) };
  const { parts } = mappedModel({ graph: net.graph(b), settings, diagnostics: new Diagnostics() });
  let spectral = 0;
  for (const { graph, map } of parts) {
    if (![...map.layers.values()].some(({ planned }) => isSpectral(planned.plan))) continue;
    spectral++;
    const degree = 2 * map.slots;
    const before = costOf(graph, degree);
    const costs = removableCosts(map);
    for (const kind of ["product", "baby", "giant", "result"] as const) {
      const cost = costs.find((c) => c.kind === kind)!;
      const after = costOf(zeroWeights(graph, cost.parts), degree);
      const { rotations, products, keys } = cost.removes;
      expect(
        [before.rotations - after.rotations, before.products - after.products, before.keys - after.keys],
        `${kind} ${cost.label}`,
      ).toEqual([rotations, products, keys]);
    }
  }
  expect(spectral).toBeGreaterThan(0);
});
