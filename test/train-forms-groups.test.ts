import * as fc from "fast-check";
import { expect, it } from "vitest";
import { isCirculant } from "../src/base/circulant.ts";
import type { Tensor } from "../src/base/tensor.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { WeightGroup } from "../src/ir/weight-groups.ts";
import { resumeFrom, writeCheckpoint } from "../src/train/checkpoint.ts";
import type { TrainingData } from "../src/train/data.ts";
import { formsOf } from "../src/train/forms.ts";
import { GroupPruner } from "../src/train/group-pruner.ts";
import type { TrainingOptions } from "../src/train/options.ts";
import type { Parameter } from "../src/train/tape.ts";
import { trainedGroups } from "../src/train/trained-groups.ts";
import { Trainer } from "../src/train/trainer.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const [channels, taps] = [6, 9];
const size = channels * channels * taps;

/** A convolution `u`, perhaps with circulant blocks, and one `v` behind it, with data for them. */
function convolutions(block?: number): { readonly graph: Graph; readonly data: TrainingData } {
  const net = new Net();
  const asked = block === undefined ? [] : [{ name: "circulant", positional: [], named: { block } }];
  const [u, v] = ["u", "v"].map((name) => net.constant([channels, channels, 3, 3], undefined, name));
  const a = net.op("conv2d", [net.input([channels, 4, 4]), u!], { pad: 1 }, { annotations: asked });
  const b = net.op("conv2d", [net.op("square", [a]), v!], { pad: 1 });
  const graph = net.graph(net.op("flatten", [net.op("global_avg_pool", [b])]));
  const count = 24;
  const pixels = Float32Array.from(randomTensor([count, channels * 16], 9).data);
  const labels = Int32Array.from({ length: count }, (_, i) => i % channels);
  return { graph, data: { count, inputs: new Map([["x", pixels]]), wanted: { kind: "labels", labels } } };
}

function group(indices: readonly number[], milliseconds = 1): WeightGroup {
  const removes = { rotations: 1, products: 0, keys: 0, ciphertexts: 0, milliseconds };
  return {
    layer: "u",
    weight: "u",
    kind: "aligned",
    label: `${indices[0]}`,
    indices: Int32Array.from(indices),
    removes,
  };
}

const at = (o: number, i: number, tap: number) => (o * channels + i) * taps + tap;
const isMiddle = (index: number) => index % taps === 4 && Math.floor(index / taps) % (channels + 1) === 0;

/** The weights of each tap, and those between one input and all outputs. */
const groups = [
  ...Array.from({ length: taps }, (_, t) =>
    group(
      Array.from({ length: size }, (_, i) => i).filter((i) => i % taps === t),
      1 + t,
    ),
  ),
  ...Array.from({ length: channels }, (_, i) =>
    group(Array.from({ length: channels * taps }, (_, k) => at(Math.floor(k / taps), i, k % taps))),
  ),
];

function finished(trainer: Trainer): Trainer {
  while (!trainer.done) trainer.step();
  return trainer;
}

const forms: readonly (readonly [string, number | undefined, Partial<TrainingOptions>])[] = [
  ["circulant blocks", 3, {}],
  ["circulant blocks that do not divide", 4, {}],
  ["Dirac convolutions", undefined, { dirac: true }],
];

it.for(forms)("groups of %s become exactly zero and stay so, and training with them resumes", ([, block, given]) => {
  const { graph, data } = convolutions(block);
  for (const how of [{ keep: 0.4, strength: 1 }, { strength: 0.7 }] as const) {
    const options = { ...given, ...how, groups, ramp: 3, epochs: 3, batch: 8, rate: 0.003 };
    const whole = new Trainer(graph, data, options, data);
    const isZero = (u: Tensor, { indices }: WeightGroup) => indices.every((i) => u.data[i] === 0);
    while (!whole.done) {
      if (whole.step() === undefined) continue;
      const u = whole.weights().get("u")!;
      for (const [g, one] of groups.entries()) if (whole.pruner.isGone(g)) expect(isZero(u, one)).toBe(true);
      if (block !== undefined) expect(isCirculant(u, block)).toBe(true);
    }
    const { deadGroups } = whole.progress.history.at(-1)!;
    expect(deadGroups).toBeGreaterThan(0);
    expect(whole.progress.history.map((epoch) => epoch.deadGroups)).toEqual(
      whole.progress.history.map((epoch) => epoch.deadGroups).toSorted((a, b) => a - b),
    );
    const u = whole.weights().get("u")!;
    expect(u.data.some((v) => v !== 0)).toBe(true);
    // What is judged and written is the network without the groups.
    expect(whole.judge(data)).toEqual(whole.progress.history.at(-1)!.validation);

    for (const stop of [4, 11]) {
      const half = new Trainer(graph, data, options, data);
      while (half.progress.updates < stop) half.step();
      const rest = new Trainer(graph, data, options, data);
      resumeFrom(rest, writeCheckpoint(half), "half.safetensors");
      expect(finished(rest).weights()).toEqual(whole.weights());
      expect(writeCheckpoint(rest)).toEqual(writeCheckpoint(whole));
    }
  }
});

it("zeros that pruning left stay in Dirac convolutions, middle taps among them, unless they are revived", () => {
  const { graph, data } = convolutions();
  const options = { groups: [groups[4]!], keep: 0, ramp: 1, epochs: 1, dirac: true };
  const pruned = finished(new Trainer(graph, data, options))
    .weights()
    .get("u")!;
  const nodes = graph.nodes.map((node) =>
    node.op === "constant" && node.name === "u" ? { ...node, attrs: { data: pruned } } : node,
  );
  const zeros = (revive: boolean) =>
    finished(new Trainer({ ...graph, nodes }, data, { dirac: true, revive }))
      .weights()
      .get("u")!
      .data.reduce((n, v) => (v === 0 ? n + 1 : n), 0);
  expect(zeros(false)).toBe(channels * channels);
  expect(zeros(true)).toBe(0);
});

/** A tensor that is trained in a form of its own. */
function formOf(block: number | undefined, seed: number) {
  const { graph } = convolutions(block);
  const values = Float32Array.from(randomTensor([channels, channels, 3, 3], seed).data);
  const memory = (data: Float32Array) => ({ count: size, address: -1, data });
  const shape = [channels, channels, 3, 3];
  const tensor: Parameter = { name: "u", shape, values: memory(values), slopes: memory(new Float32Array(size)) };
  const [form] = formsOf(graph, [tensor], block === undefined);
  form!.write();
  return { tensor, form: form! };
}

const chosen = fc.uniqueArray(fc.nat(size - 1), { minLength: 1, maxLength: 60 });

it("what is pressed shrinks in the tensor, and nothing else does", () => {
  fc.assert(
    fc.property(
      chosen,
      fc.constantFrom(0, 0.5),
      fc.constantFrom(undefined, 2, 3, 4),
      fc.nat(50),
      (list, by, block, seed) => {
        const { tensor, form } = formOf(block, seed);
        const before = tensor.values.data.slice();
        const parts = form.stored(Int32Array.from(list).sort());
        form.press(() => {
          for (const { parameter, indices } of parts) for (const i of indices) parameter.values.data[i]! *= by;
        });
        form.write();
        const copyOf = (i: number) => {
          const [o, c] = [Math.floor(i / (channels * taps)), Math.floor(i / taps) % channels];
          const b = block ?? 1;
          return [Math.floor(o / b), Math.floor(c / b), (((o - c) % b) + b) % b, i % taps].join();
        };
        const pressed = new Set(list.map(block === undefined ? String : copyOf));
        for (const [i, v] of tensor.values.data.entries()) {
          const isPressed = pressed.has(block === undefined ? String(i) : copyOf(i));
          expect(v).toBeCloseTo(before[i]! * (isPressed ? by : 1), 5);
          if (isPressed && by === 0) expect(v === 0).toBe(true);
        }
      },
    ),
    { numRuns: 100 },
  );
});

it("groups of one circulant weight that are trained as the same numbers are one, which saves what all do", () => {
  const { form } = formOf(3, 1);
  const columns = (o: number, i: number) => group([at(o, i, 0), at(o, i, 1)], 2);
  // The places on one diagonal of a block, then another diagonal.
  const { groups: made, places } = trainedGroups([form], [columns(0, 1), columns(1, 2), columns(2, 0), columns(0, 0)]);
  expect([...places]).toEqual([0, 0, 0, 1]);
  expect(made.map(({ milliseconds }) => milliseconds)).toEqual([6, 2]);
  const pruner = new GroupPruner([form], [columns(0, 1), columns(1, 2), columns(2, 0), columns(0, 0)]);
  pruner.dead[0] = 1;
  expect([0, 1, 2, 3].map((g) => pruner.isGone(g))).toEqual([true, true, true, false]);
  expect(pruner.goneCount).toBe(3);
});

it("a group of a Dirac convolution has middle taps in alpha and the others in V", () => {
  const { form } = formOf(undefined, 1);
  const stored = form.stored(groups[4]!.indices);
  expect(stored.map(({ parameter, indices }) => [parameter.name, indices.length])).toEqual([
    ["u.alpha", channels],
    ["u.direction", channels * (channels - 1)],
  ]);
  expect(stored[1]!.indices.some(isMiddle)).toBe(false);
});
