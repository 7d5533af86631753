import * as fc from "fast-check";
import { expect, it } from "vitest";
import { chooseZeros } from "../passes/prune/choose.ts";
import { weightGroups } from "../passes/prune/groups.ts";
import { partsOf, removableCosts, supportMap } from "../passes/prune/support-map.ts";
import { zeroWeights } from "../passes/prune/zero-weights.ts";
import { defaultSettings } from "../passes/settings.ts";
import { columnsShape, fromColumns } from "../src/base/circulant.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import type { Shape, Tensor } from "../src/base/tensor.ts";
import { mappedModel, modelGroups } from "../src/driver/model-groups.ts";
import { GraphBuilder, type NodeDraft } from "../src/ir/builder.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { WeightPart } from "../src/ir/weight-groups.ts";
import type { OpName } from "../src/ops/index.ts";
import { conv2d } from "../src/ops/nn-linear.ts";
import { writeLayerPlan } from "../src/packing/layer-plan.ts";
import { spread } from "../src/packing/positions.ts";
import { planSpectral } from "../src/packing/spectral-plans.ts";
import { spectralLayer, spectralPieces, spectralWeights } from "../src/packing/spectral-weights.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { Net, randomTensor } from "./ops-builder.ts";
import { allKinds, compiled, costOf } from "./prune-counts.ts";

const degree = 1024;

interface Convolution {
  readonly blocks: readonly [outputs: number, inputs: number];
  readonly block: number;
  /** Alike along diagonals, but not around the ends of blocks. */
  readonly isOpen: boolean;
  readonly side: number;
  readonly kernel: number;
  readonly stride: number;
  readonly seed: number;
  /** Of a rotation and of sending a ciphertext, in products. */
  readonly costs: readonly [rotation: number, sent: number];
}

const convolutions: fc.Arbitrary<Convolution> = fc.record({
  blocks: fc.tuple(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 2, max: 12 })),
  block: fc.constantFrom(1, 1, 2, 4),
  isOpen: fc.boolean(),
  side: fc.integer({ min: 3, max: 8 }),
  kernel: fc.constantFrom(1, 3),
  stride: fc.constantFrom(1, 1, 2),
  seed: fc.nat(999),
  costs: fc.tuple(fc.constantFrom(0.3, 3, 30), fc.constantFrom(0.1, 1, 30)),
});

function weightOf({ blocks: [o, i], block, isOpen, kernel, seed }: Convolution): Tensor {
  const shape = [o * block, i * block, kernel, kernel];
  if (!isOpen) {
    const columns = randomTensor(columnsShape(shape, block), seed).data;
    return { shape, data: fromColumns(columns, shape, block) };
  }
  const { data } = randomTensor(shape, seed);
  const [inputs, taps] = [i * block, kernel * kernel];
  const alike = data.map((_, at) => {
    const [row, column] = [Math.floor(at / (inputs * taps)), Math.floor(at / taps) % inputs];
    const back = Math.min(row % block, column % block);
    return data[at - back * (inputs + 1) * taps]!;
  });
  return { shape, data: alike };
}

/** The convolution alone, on coefficients, ready to be lowered. */
function onCoefficients(one: Convolution): Graph | undefined {
  const { block, side, kernel, stride, costs } = one;
  const weight = weightOf(one);
  const input: Shape = [weight.shape[1]!, side, side];
  const pad = kernel === 1 ? 0 : 1;
  const attrs = {
    stride: [stride, stride],
    pad: [pad, pad, pad, pad],
    dilation: [1, 1],
    groups: 1,
  } as const;
  const operands = [input, weight.shape].map((shape, i) => ({ name: `${i}`, shape, constant: i === 1 }));
  const output = conv2d.shape(operands, attrs) as Shape;
  const term = { input, kernel: [kernel, kernel], stride: attrs.stride, dilation: [1, 1], pad: [pad, pad] } as const;
  const [rotation, sent] = costs;
  const planned = planSpectral({
    slots: degree / 2,
    output,
    terms: [term],
    added: 0,
    blocks: [block],
    costs: { rotation, product: 1, sent, returned: sent },
  });
  if (planned === undefined) return undefined;
  const out = new GraphBuilder("coefficients");
  const add = (draft: object) =>
    out.add({ inputs: [], attrs: {}, span: noSpan, ...draft } as unknown as NodeDraft<OpName>);
  const type = (shape: Shape, layout: unknown) => ({ kind: "packed", shape, layout });
  const x = add({
    op: "input",
    attrs: { shape: input, range: [-1, 1] },
    name: "x",
    type: type(input, planned.from[0]),
  });
  const w = add({ op: "constant", attrs: { data: weight }, name: "w" });
  const annotations = [{ name: "plan", positional: [], named: writeLayerPlan(planned.plan) }];
  out.output("y", add({ op: "conv2d", inputs: [x, w], attrs, name: "c", annotations, type: type(output, planned.to) }));
  return compiled(out.build(), degree, "assign-levels", "lower-to-he");
}

it("zeroing a group of a plan on coefficients removes exactly the cost it names", { timeout: 60_000 }, () => {
  const found = new Map<string, number>();
  const add = (kind: string) => found.set(kind, (found.get(kind) ?? 0) + 1);
  fc.assert(
    fc.property(convolutions, fc.nat(), (one, pick) => {
      const graph = onCoefficients(one);
      if (graph === undefined) return;
      const before = costOf(graph, degree);
      const map = supportMap(graph, defaultCostTable, 100);
      const { rotations, products, keys } = map.total;
      expect([before.rotations, before.products, before.keys]).toEqual([rotations, products, keys]);
      for (const kind of ["aligned", "channel", "unstructured"] as const) {
        const zeroed = zeroWeights(
          graph,
          partsOf(map, chooseZeros(map, { kind, goal: { keep: 0.6 }, last: new Set() })),
        );
        const { products: left } = costOf(zeroed, degree);
        expect(left, kind).toBeLessThanOrEqual(products);
      }
      const groups = (["aligned", "channel", "positional", "diagonal"] as const).flatMap((kind) =>
        weightGroups(map, kind).map((group) => ({ ...group, kind: kind as string, parts: [group as WeightPart] })),
      );
      const all = [...groups, ...removableCosts(map)];
      for (const kind of new Set(all.map((group) => group.kind))) {
        const own = all.filter((group) => group.kind === kind);
        const { parts, removes, label } = own[pick % own.length]!;
        add(one.block > 1 ? `${kind} in blocks` : kind);
        // Were numbers of a block not zero together, the plan would no longer compute the layer.
        const after = costOf(zeroWeights(graph, parts), degree);
        expect(
          [before.rotations - after.rotations, before.products - after.products, before.keys - after.keys],
          `${kind} ${label}`,
        ).toEqual([removes.rotations, removes.products, removes.keys]);
        if (kind === "aligned") expect(removes.products + removes.ciphertexts).toBeGreaterThan(0);
        if (kind !== "product" || removes.products === 0) continue;
        // None of the numbers is too much; those of a block go together.
        const [{ weight, indices }] = parts as [WeightPart];
        const { data } = weightOf(one);
        const kept = data[indices[0]!]!;
        const fewer = { weight, indices: indices.filter((at) => data[at] !== kept) };
        expect(costOf(zeroWeights(graph, [fewer]), degree)).toEqual(before);
      }
    }),
    { numRuns: 200 },
  );
  expect([...found.keys()].sort()).toEqual(allKinds.flatMap((kind) => [kind, `${kind} in blocks`]));
});

it("a single weight on coefficients keeps every product between its ciphertexts", () => {
  const shape = [8, 8, 3, 3];
  const attrs = { stride: [1, 1], pad: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
  const operands = [[8, 4, 4], shape].map((own, i) => ({ name: `${i}`, shape: own, constant: i === 1 }));
  const term = { input: [8, 4, 4], kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pad: [1, 1] } as const;
  const costs = { rotation: 1, product: 0.1, sent: 10, returned: 10 };
  for (const slots of [64, 128]) {
    const { plan, from, to } = planSpectral({ slots, output: [8, 4, 4], terms: [term], added: 0, blocks: [1], costs })!;
    expect(plan.spectral.polynomials).toBeGreaterThan(1);
    for (const at of [0, 100, 575]) {
      const data = new Float64Array(576);
      data[at] = 1;
      const map = conv2d.linear!(operands, attrs)!;
      const layer = spectralLayer(map, data, from.map(spread), spread(to), plan);
      if (typeof layer === "string") throw new Error(layer);
      const weights = spectralWeights(layer);
      const sizes = spectralPieces(layer).map((piece) => Math.max(...weights(piece).re.map(Math.abs)));
      expect(sizes.length).toBe(plan.spectral.polynomials);
      expect(Math.min(...sizes)).toBeGreaterThan(0.5 / plan.spectral.polynomials);
    }
  }
});

it("groups of a model that asks for blocks have all channels of a block, by the model's own numbers", {
  timeout: 60_000,
}, () => {
  const net = new Net();
  const x = net.input([16, 8, 8]);
  const annotations = [{ name: "circulant", positional: [], named: { block: 4 } }];
  const first = net.op("conv2d", [x, net.constant([64, 16, 3, 3], undefined, "a.w")], { pad: 1 }, { name: "a" });
  const weight = net.constant([64, 64, 3, 3], undefined, "b.w");
  const second = net.op("conv2d", [net.op("relu", [first]), weight], { pad: 1 }, { name: "b", annotations });
  const graph = net.graph(second);
  const settings = { ...defaultSettings, precision: 4, activations: new Map([["relu", { kind: "client" } as const]]) };
  const mapped = mappedModel({ graph, settings, diagnostics: new Diagnostics() });
  expect(mapped.untraced).toEqual([]);
  const groups = modelGroups(mapped, "aligned").filter((group) => group.weight === "b.w");
  expect(groups.length).toBeGreaterThan(0);
  for (const { indices, removes } of groups) {
    const members = new Set(indices);
    // The next row and the next column, within a block.
    const turned = indices.map((at) => {
      const [o, i, tap] = [Math.floor(at / 576), Math.floor(at / 9) % 64, at % 9];
      const next = (channel: number) => channel - (channel % 4) + ((channel + 1) % 4);
      return (next(o) * 64 + next(i)) * 9 + tap;
    });
    expect(turned.every((at) => members.has(at))).toBe(true);
    expect(removes.products).toBeGreaterThan(0);
  }
  const [group] = groups;
  const pruned = mappedModel({ graph: zeroWeights(graph, [group!]), settings, diagnostics: new Diagnostics() });
  expect(pruned.cost.products).toBeLessThanOrEqual(mapped.cost.products - group!.removes.products);
});
