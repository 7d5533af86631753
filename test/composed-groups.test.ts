import * as fc from "fast-check";
import { expect, it } from "vitest";
import { circulant } from "../passes/circulant.ts";
import { plannedNodes } from "../passes/planned-layers.ts";
import { groupsOf } from "../passes/prune/groups.ts";
import { partsOf, removableCosts, removedBy, supportMap } from "../passes/prune/support-map.ts";
import { withConstants, zeroWeights } from "../passes/prune/zero-weights.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { modelWeights, tracedWeights } from "../src/driver/trace-weights.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import type { GroupKind, WeightPart } from "../src/ir/weight-groups.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { networks } from "./arbitrary.ts";
import { packed } from "./lowered.ts";
import { Net } from "./ops-builder.ts";
import { allKinds, compiled, costOf, leavesUnread } from "./prune-counts.ts";

/** A compiled network with the weights that its model has once some of them are zero: the same plans. */
function withZeros(model: Graph, leveled: Graph, degree: number, parts: readonly WeightPart[]): Graph {
  const front = compiled(zeroWeights(model, parts), degree, "circulant", "pack");
  const made = new Map(front.nodes.flatMap((n) => (n.op === "constant" ? [[n.name, n.attrs.data.data]] : [])));
  const numbers = new Map<string, Float64Array>();
  for (const node of leveled.nodes) {
    if (node.op !== "constant") continue;
    const { shape, data } = node.attrs.data;
    // A bias of zeros is left out.
    const own = made.get(node.name) ?? (shape.length === 1 ? new Float64Array(data.length) : undefined);
    expect(own?.length, node.name).toBe(data.length);
    numbers.set(node.name, own!);
  }
  return withConstants(leveled, numbers);
}

/** Layers before a layer with weights, or after it, that the compiler may make one with it. */
const neighbours = ["none", "none", "pool", "wide pool", "norm", "norm and pool", "transpose", "slice"] as const;

interface Block {
  readonly before: (typeof neighbours)[number];
  readonly after: (typeof neighbours)[number];
  readonly isDense: boolean;
  readonly isSum: boolean;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  readonly grouped: boolean;
  /** Asks for circulant blocks of two channels. */
  readonly isCirculant: boolean;
}

const block: fc.Arbitrary<Block> = fc.record({
  before: fc.constantFrom(...neighbours),
  after: fc.constantFrom(...neighbours),
  isDense: fc.nat(3).map((n) => n === 0),
  isSum: fc.nat(4).map((n) => n === 0),
  outputs: fc.integer({ min: 1, max: 3 }).map((n) => 2 * n),
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  pad: fc.nat(1),
  grouped: fc.nat(2).map((n) => n === 0),
  isCirculant: fc.nat(2).map((n) => n === 0),
});

/** Layers with weights between others that are linear, a square after each run of them. */
class ChainMaker {
  readonly #net = new Net();
  #value: NodeId = this.#net.input([4, 8, 8]);
  #shape: readonly number[] = [4, 8, 8];

  make(blocks: readonly Block[]): Graph {
    for (const one of blocks) this.#block(one);
    return this.#net.graph(this.#value);
  }

  #block({ before, after, isDense, isSum, outputs, kernel, stride, pad, grouped, isCirculant }: Block): void {
    this.#neighbour(before);
    const named = { block: 2 };
    const more = isCirculant ? { annotations: [{ name: "circulant", positional: [], named }] } : {};
    if (isDense || this.#shape.length === 1) {
      const size = this.#shape.reduce((n, d) => n * d, 1);
      const flat = this.#net.op("flatten", [this.#value]);
      this.#value = this.#net.op("dense", [flat, this.#net.constant([outputs, size])], {}, more);
      this.#shape = [outputs];
    } else {
      const [channels, height, width] = this.#shape as [number, number, number];
      const groups = grouped && channels % 2 === 0 ? 2 : 1;
      const size = Math.min(kernel, height, width);
      const convolved = (value: NodeId) => {
        const weight = this.#net.constant([outputs, channels / groups, size, size]);
        return this.#net.op("conv2d", [value, weight], { stride, pad, groups }, groups === 1 ? more : {});
      };
      const first = convolved(this.#value);
      const second = isSum ? convolved(this.#net.op("square", [this.#value])) : undefined;
      this.#value = second === undefined ? first : this.#net.op("add", [first, second]);
      const along = (length: number) => Math.floor((length + 2 * pad - size) / stride) + 1;
      this.#shape = [outputs, along(height), along(width)];
    }
    this.#neighbour(after);
    this.#value = this.#net.op("square", [this.#value]);
  }

  #neighbour(kind: (typeof neighbours)[number]): void {
    if (this.#shape.length !== 3) return;
    const [channels, height, width] = this.#shape as [number, number, number];
    const isSmall = Math.min(height, width) < 3;
    if (kind === "norm" || kind === "norm and pool") {
      const numbers = [1, 2, 3].map(() => this.#net.constant([channels]));
      const variance = this.#net.constant(
        [channels],
        Array.from({ length: channels }, (_, c) => 0.5 + c / 4),
      );
      this.#value = this.#net.op("batch_norm", [this.#value, ...numbers, variance]);
    }
    if ((kind === "pool" || kind === "norm and pool") && !isSmall) {
      this.#value = this.#net.op("avg_pool", [this.#value], { kernel: 2 });
      this.#shape = [channels, Math.floor(height / 2), Math.floor(width / 2)];
    } else if (kind === "wide pool" && !isSmall) {
      this.#value = this.#net.op("avg_pool", [this.#value], { kernel: 3, stride: 1 });
      this.#shape = [channels, height - 2, width - 2];
    } else if (kind === "transpose") {
      this.#value = this.#net.op("transpose", [this.#value], { perm: [0, 2, 1] });
      this.#shape = [channels, width, height];
    } else if (kind === "slice" && !isSmall) {
      const end = [...this.#shape];
      this.#value = this.#net.op("slice", [this.#value], { begin: [0, 0, 0], end, step: [1, 2, 2] });
      this.#shape = [channels, Math.ceil(height / 2), Math.ceil(width / 2)];
    }
  }
}

const chains = fc
  .array(block, { minLength: 1, maxLength: 3 })
  .map((blocks) => new ChainMaker().make(blocks))
  .map((graph) => ({ graph, isChain: true }));

const layers = ["conv2d", "dense", "avg_pool", "batch_norm", "flatten", "transpose", "slice", "square", "add"] as const;
const others = networks({ layers, maxLayers: 6, maxDepth: 4, maxElements: 96 }).map(({ graph }) => ({
  graph,
  isChain: false,
}));

it("zeroing what composed weights are made of in the model removes exactly what it names", { timeout: 120_000 }, () => {
  const found = new Map<string, number>();
  const degrees = fc.constantFrom(1024, 2048);
  fc.assert(
    fc.property(
      fc.oneof({ arbitrary: chains, weight: 3 }, others),
      degrees,
      fc.nat(),
      ({ graph: model, isChain }, degree, pick) => {
        const leveled = compiled(packed(model, degree), degree, "assign-levels", "lower-to-he");
        if (plannedNodes(leveled).size === 0 || leavesUnread(leveled)) return;
        const asked = circulant.run(model, { settings: defaultSettings, diagnostics: new Diagnostics() });
        const sources = tracedWeights(model, leveled, asked);
        // Between two layers with weights of a chain there is a square; others may be one with another, or none.
        if (isChain) {
          const traced = new Set([...sources.values()].map(({ weight }) => weight));
          expect(modelWeights(model).flatMap(({ weight }) => (traced.has(weight) ? [] : [weight]))).toEqual([]);
        }
        const composed = new Set([...sources.values()].flatMap(({ weight, parts }) => (parts ? [weight] : [])));
        if (composed.size === 0) return;
        const map = supportMap(leveled, defaultCostTable, 100, sources);
        const before = costOf(leveled, degree);
        const kinds = ["aligned", "positional", "diagonal", "channel"] as const;
        const groups = kinds.flatMap((kind: string) =>
          [...map.layers.values()].flatMap((layer) =>
            groupsOf(layer, kind as GroupKind, map.slots).map(({ label, numbers }) => {
              const own = new Map([[layer.node.id, numbers]]);
              return { kind, label, parts: partsOf(map, own), removes: removedBy(map, own) };
            }),
          ),
        );
        const costs = [...groups, ...removableCosts(map)];
        const own = costs.filter(({ parts }) => parts.some((p) => composed.has(p.weight)));
        for (const kind of new Set(own.map((one) => one.kind))) {
          const alike = own.filter((one) => one.kind === kind);
          const { parts, removes, label } = alike[pick % alike.length]!;
          found.set(kind, (found.get(kind) ?? 0) + 1);
          const pruned = withZeros(model, leveled, degree, parts);
          const after = costOf(pruned, degree);
          const less = [before.rotations - after.rotations, before.products - after.products, before.keys - after.keys];
          const named = `${kind} ${label} of ${parts.map((p) => p.weight)}`;
          if (leavesUnread(pruned)) {
            expect(less[0], named).toBeGreaterThanOrEqual(removes.rotations);
            expect(less[1], named).toBeGreaterThanOrEqual(removes.products);
          } else expect(less, named).toEqual([removes.rotations, removes.products, removes.keys]);
          if (kind !== "product" || removes.products === 0) continue;
          // None of the numbers is too much.
          const [{ weight, layer, indices }, ...rest] = parts as [WeightPart, ...WeightPart[]];
          const fewer = withZeros(model, leveled, degree, [{ weight, layer, indices: indices.slice(1) }, ...rest]);
          expect(before.products - costOf(fewer, degree).products, named).toBeLessThan(less[1]!);
        }
      },
    ),
    { numRuns: 100 },
  );
  expect([...found.keys()].sort()).toEqual(allKinds);
});
