import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Digit, readDigits } from "../examples/digits/data.ts";
import { isCirculant } from "../src/base/circulant.ts";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { tensor } from "../src/base/tensor.ts";
import { readModel } from "../src/driver/read-model.ts";
import { tunedGraph } from "../src/driver/tune-model.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { WeightGroup } from "../src/ir/weight-groups.ts";
import { epochOrder, fillInputs } from "../src/train/batches.ts";
import { resumeFrom, writeCheckpoint } from "../src/train/checkpoint.ts";
import { partOf, readWanted, type TrainingData } from "../src/train/data.ts";
import { lossOf } from "../src/train/loss.ts";
import type { TrainingOptions } from "../src/train/options.ts";
import { squaredSlopes } from "../src/train/squared-slopes.ts";
import { Trainer } from "../src/train/trainer.ts";
import { readWeights } from "../src/weights/index.ts";
import { writeSafetensors } from "../src/weights/safetensors.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const folder = join(import.meta.dirname, "../examples/digits");

function digitsNetwork(): Graph {
  const tensors = readWeights(readFileSync(join(folder, "digits.safetensors")), "digits.safetensors");
  const file = { names: [...tensors.keys()], tensor: (name: string) => tensors.get(name)! };
  const path = join(folder, "digits.hen");
  const host = { weights: () => file, source: () => file as never };
  return readModel({ path, text: readFileSync(path, "utf8") }, host).graph;
}

function packed(digits: readonly Digit[]): TrainingData {
  const pixels = Float32Array.from(digits.flatMap(({ image }) => [...image.data]));
  const labels = Int32Array.from(digits.map(({ label }) => label));
  return { count: digits.length, inputs: new Map([["image", pixels]]), wanted: { kind: "labels", labels } };
}

const { training, heldOut } = readDigits();

/** 4 inputs, 6 hidden numbers, 3 classes, and data that two layers can tell apart. */
function small(): { readonly graph: Graph; readonly data: TrainingData } {
  const net = new Net();
  const h = net.op("square", [net.op("dense", [net.input([4]), net.constant([6, 4], undefined, "w1")])]);
  const graph = net.graph(
    net.op("dense", [h, net.constant([3, 6], undefined, "w2"), net.constant([3], [0, 0, 0], "b2")]),
  );
  const count = 90;
  const pixels = Float32Array.from(randomTensor([count, 4], 5).data);
  const labels = Int32Array.from({ length: count }, (_, i) => {
    const [a, b, c] = pixels.subarray(i * 4, i * 4 + 3);
    return a! * a! > 0.4 ? 0 : b! * c! > 0 ? 1 : 2;
  });
  return { graph, data: { count, inputs: new Map([["x", pixels]]), wanted: { kind: "labels", labels } } };
}

function group(weight: string, indices: readonly number[], milliseconds = 1): WeightGroup {
  const removes = { rotations: 1, products: 0, keys: 0, ciphertexts: 0, milliseconds };
  return { layer: weight, weight, kind: "aligned", label: `${indices[0]}`, indices: Int32Array.from(indices), removes };
}

/** The columns of a [rows, columns] matrix. */
function columnsOf(weight: string, rows: number, columns: number): WeightGroup[] {
  return Array.from({ length: columns }, (_, k) =>
    group(
      weight,
      Array.from({ length: rows }, (_, r) => r * columns + k),
      k + 1,
    ),
  );
}

function finished(trainer: Trainer): Trainer {
  while (!trainer.done) trainer.step();
  return trainer;
}

it("a network of digits that was never trained learns to read them", { timeout: 60_000 }, () => {
  const options = { fresh: true, loss: "squares", epochs: 60, rate: 0.003, batch: 32, decay: 0.05, shift: 1 } as const;
  const trainer = finished(new Trainer(digitsNetwork(), packed(training), options, packed(heldOut)));
  const { validation } = trainer.progress.history.at(-1)!;
  expect(validation!.accuracy).toBeGreaterThan(0.95);
  expect(trainer.judge(packed(heldOut))).toEqual(validation);
});

it("a group Lasso makes whole groups exactly zero, dear ones first, and the rest learns on", () => {
  const { graph, data } = small();
  const groups = columnsOf("w1", 6, 4);
  const trainer = new Trainer(graph, data, { groups, ramp: 6, epochs: 4, strength: 1.4, rate: 1e-4 });
  finished(trainer);
  const dead = [...trainer.pruner.dead];
  expect(dead[3]).toBe(1);
  expect(dead[0]).toBe(0);
  const { data: numbers } = trainer.weights().get("w1")!;
  for (const [at, { indices }] of groups.entries()) expect(indices.every((i) => numbers[i] === 0)).toBe(dead[at] === 1);
});

it("a budget of costs is kept, and what is dead stays zero through the last phase", () => {
  const { graph, data } = small();
  const groups = columnsOf("w1", 6, 4);
  const trainer = new Trainer(graph, data, { groups, keep: 0.4, ramp: 4, epochs: 6, strength: 0 });
  const deaths: number[] = [];
  while (!trainer.done) {
    const epoch = trainer.step();
    if (epoch !== undefined) deaths.push(epoch.deadGroups);
    const { data: numbers } = trainer.parameters.find((p) => p.name === "w1")!.values;
    for (const [at, { indices }] of groups.entries())
      if (trainer.pruner.dead[at]) expect(indices.every((i) => numbers[i] === 0)).toBe(true);
  }
  const alive = groups.reduce((sum, { removes }, at) => sum + (trainer.pruner.dead[at] ? 0 : removes.milliseconds), 0);
  expect(alive).toBeLessThanOrEqual(4);
  expect(deaths).toEqual(deaths.toSorted((a, b) => a - b));
  expect(deaths[3]).toBe(deaths.at(-1));
});

it("weights that were pruned before stay zero unless they are revived, biases learn", () => {
  const { graph, data } = small();
  const groups = columnsOf("w1", 6, 4);
  const pruned = finished(new Trainer(graph, data, { groups, keep: 0.5, ramp: 2, epochs: 1 })).weights();
  const before = tunedGraph(graph, pruned);
  const zeros = (trainer: Trainer, name: string) =>
    finished(trainer)
      .weights()
      .get(name)!
      .data.filter((v) => v === 0).length;
  const wanted = pruned.get("w1")!.data.filter((v) => v === 0).length;
  expect(wanted).toBeGreaterThan(0);
  expect(zeros(new Trainer(before, data), "w1")).toBe(wanted);
  expect(zeros(new Trainer(before, data, { revive: true }), "w1")).toBe(0);
  expect(zeros(new Trainer(graph, data), "b2")).toBe(0);
});

it("groups that hold all weights of a tensor leave some", () => {
  const { graph, data } = small();
  const groups = columnsOf("w1", 6, 4);
  const trainer = finished(new Trainer(graph, data, { groups, keep: 0, ramp: 2, epochs: 1, strength: 0 }));
  expect(trainer.pruner.dead.reduce((a, b) => a + b)).toBe(3);
});

const resumed: readonly (readonly [string, Partial<TrainingOptions>])[] = [
  ["adam", { pretrain: 1, ramp: 2, epochs: 2, keep: 0.5, distill: 0.5, groups: columnsOf("w1", 6, 4), batch: 16 }],
  ["momentum", { optimizer: "sgd", rate: 0.01, epochs: 4, fresh: true, batch: 25 }],
];

it.for(resumed)("training with %s that was interrupted anywhere ends with the same bits", ([, options]) => {
  const { graph, data } = small();
  const whole = finished(new Trainer(graph, data, options, data));
  const steps = whole.progress.updates;
  for (const stop of [1, Math.floor(steps / 2), Math.floor(steps * 0.7), steps - 1]) {
    const first = new Trainer(graph, data, options, data);
    while (first.progress.updates < stop) first.step();
    const second = new Trainer(graph, data, options, data);
    resumeFrom(second, writeCheckpoint(first), "half.safetensors");
    finished(second);
    expect(second.progress).toEqual(whole.progress);
    expect(second.weights()).toEqual(whole.weights());
    expect(writeCheckpoint(second)).toEqual(writeCheckpoint(whole));
  }
  expect(finished(new Trainer(graph, data, { ...options, seed: 2 }, data)).weights()).not.toEqual(whole.weights());
});

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SealwrightError) return error.first.id;
    throw error;
  }
  return "nothing";
}

it("a checkpoint of another training is refused", () => {
  const { graph, data } = small();
  const trainer = new Trainer(graph, data);
  const bytes = writeCheckpoint(trainer);
  expect(codeOf(() => resumeFrom(new Trainer(graph, data, { rate: 0.1 }), bytes, "c"))).toBe("SW289");
  const other = { ...data, inputs: new Map([["x", data.inputs.get("x")!.map((v) => v / 2)]]) };
  expect(codeOf(() => resumeFrom(new Trainer(graph, other), bytes, "c"))).toBe("SW289");
  const weights = writeSafetensors(trainer.weights());
  expect(codeOf(() => resumeFrom(trainer, weights, "c"))).toBe("SW289");
  expect(codeOf(() => resumeFrom(trainer, bytes.subarray(0, bytes.length - 4), "c"))).toBe("SW615");
});

it("what cannot be trained is refused with the reason", () => {
  const { graph, data } = small();
  const plain = new Net();
  const nothing = plain.graph(plain.op("square", [plain.input([4])]));
  expect(codeOf(() => new Trainer(nothing, data))).toBe("SW282");
  const two = new Net();
  const x = two.op("dense", [two.input([4]), two.constant([3, 4])]);
  expect(codeOf(() => new Trainer(two.graph(x, two.op("square", [x])), data))).toBe("SW283");
  expect(codeOf(() => new Trainer(graph, { ...data, count: 0 }))).toBe("SW287");
  expect(codeOf(() => new Trainer(graph, data, { groups: [group("w9", [0])], ramp: 1 }))).toBe("SW290");
  expect(codeOf(() => new Trainer(graph, data, { groups: [group("w1", [24])], ramp: 1 }))).toBe("SW290");
  for (const wrong of [{ rate: 0 }, { batch: 1.5 }, { ramp: 1 }, { groups: [group("w1", [0])] }, { epochs: 0 }])
    expect(codeOf(() => new Trainer(graph, data, wrong))).toBe("SW292");
  const huge = { rate: 100, optimizer: "sgd", loss: "squares", clip: 1e9, epochs: 50 } as const;
  expect(codeOf(() => finished(new Trainer(graph, data, huge)))).toBe("SW288");
});

it("labels and targets are checked against the output", () => {
  const read = (arrays: Record<string, ReturnType<typeof tensor>>) => () =>
    readWanted(new Map(Object.entries(arrays)), 2, [3]);
  expect(read({ labels: tensor([2, 1], [0, 2]) })()).toEqual({ kind: "labels", labels: Int32Array.of(0, 2) });
  expect(read({ targets: tensor([2, 3], [1, 2, 3, 4, 5, 6]) })()).toMatchObject({ kind: "targets" });
  expect(codeOf(read({ image: tensor([2], [0, 0]) }))).toBe("SW284");
  expect(codeOf(read({ labels: tensor([2], [0, 3]) }))).toBe("SW285");
  expect(codeOf(read({ labels: tensor([2], [0, 0.5]) }))).toBe("SW285");
  expect(codeOf(read({ labels: tensor([3], [0, 0, 0]) }))).toBe("SW286");
  expect(codeOf(read({ targets: tensor([3, 2], [1, 2, 3, 4, 5, 6]) }))).toBe("SW286");
});

const losses = [
  ["cross-entropy", undefined],
  ["squares", undefined],
  ["cross-entropy", { share: 0.4, temperature: 3 }],
  ["squares", { share: 0.4, temperature: 3 }],
] as const;

it.for(losses)("the slopes of %s (distillation %j) are those measured", ([name, given]) => {
  const outputs = Float32Array.from([0.5, -1, 2, 0.1, 0.3, -0.2]);
  const teacher = Float32Array.from([1, 0, -1, 0.5, 2, 0]);
  const wanted = { kind: "labels", labels: Int32Array.of(2, 0) } as const;
  const distillation = given === undefined ? undefined : { ...given, teacher };
  const slopes = new Float32Array(6);
  const { right } = lossOf({ name, outputs, size: 3, order: [0, 1], wanted, slopes, distillation });
  expect(right).toBe(1);
  const total = (values: Float64Array) => {
    let sum = 0;
    for (let i = 0; i < 2; i++) {
      const own = values.subarray(3 * i, 3 * i + 3);
      const soft = (v: ArrayLike<number>, t: number) => {
        const powers = Array.from(v, (x) => Math.exp(x / t));
        return powers.map((p) => p / powers.reduce((a, b) => a + b));
      };
      const target = [0, 1, 2].map((k) => (k === wanted.labels[i] ? 1 : 0));
      const theirs = [...teacher.subarray(3 * i, 3 * i + 3)];
      const entropy = (goal: readonly number[], t: number) =>
        -soft(own, t).reduce((a, p, k) => a + goal[k]! * Math.log(p), 0);
      const distance = (goal: readonly number[]) => own.reduce((a, v, k) => a + (v - goal[k]!) ** 2 / 2, 0);
      const [share, t] = [given?.share ?? 0, given?.temperature ?? 1];
      if (name === "squares") sum += (1 - share) * distance(target) + share * distance(theirs);
      else sum += (1 - share) * entropy(target, 1) + share * t * t * entropy(soft(theirs, t), t);
    }
    return sum / 2;
  };
  for (const [i, slope] of slopes.entries()) {
    const at = (by: number) => total(Float64Array.from(outputs).map((v, k) => (k === i ? v + by : v)));
    expect(slope).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 5);
  }
});

it("squared slopes are means over samples, each by itself", () => {
  const { graph, data } = small();
  const few = partOf(data, 0, 7);
  const { data: squares } = squaredSlopes(graph, few).get("w1")!;
  for (const at of [0, 9, 23]) {
    let sum = 0;
    for (let i = 0; i < few.count; i++) {
      const loss = (by: number) => {
        const trainer = new Trainer(graph, few);
        trainer.tensors.find((t) => t.name === "w1")!.values.data[at]! += by;
        return trainer.judge(partOf(few, i, i + 1)).loss;
      };
      sum += ((loss(0.01) - loss(-0.01)) / 0.02) ** 2;
    }
    expect(squares[at]! / (sum / few.count)).toBeCloseTo(1, 2);
  }
});

it("an epoch sees every sample once, in its own order", () => {
  const order = epochOrder(100, 1, 0);
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(order).not.toEqual(epochOrder(100, 1, 1));
  expect(order).not.toEqual(epochOrder(100, 2, 0));
  expect(order).toEqual(epochOrder(100, 1, 0));
});

it("moved images keep their rows and lose what leaves them", () => {
  const values = { count: 12, address: 0, data: new Float32Array(12) };
  const input = { name: "x", shape: [1, 3, 4], size: 12, constant: false, values, slopes: undefined };
  const pixels = Float32Array.from({ length: 12 }, (_, i) => i + 1);
  const data: TrainingData = {
    count: 1,
    inputs: new Map([["x", pixels]]),
    wanted: { kind: "labels", labels: Int32Array.of(0) },
  };
  // Up by one row, right by one column.
  const drawn = [0, 0.99];
  const random = { uniform: () => drawn.shift()! } as never;
  fillInputs(new Map([["x", input]]), data, [0], { pixels: 1, random });
  expect([...values.data]).toEqual([0, 5, 6, 7, 0, 9, 10, 11, 0, 0, 0, 0]);
});

/** Two convolutions that could pass their input on; the first one perhaps with circulant blocks. */
function convolutions(block?: number): { readonly graph: Graph; readonly data: TrainingData } {
  const net = new Net();
  const asked = block === undefined ? [] : [{ name: "circulant", positional: [], named: { block } }];
  const [u, v] = ["u", "v"].map((name) => net.constant([4, 4, 3, 3], undefined, name));
  const a = net.op("conv2d", [net.input([4, 5, 5]), u!], { pad: 1 }, { annotations: asked });
  const b = net.op("conv2d", [net.op("square", [a]), v!], { pad: 1 });
  const graph = net.graph(net.op("flatten", [net.op("global_avg_pool", [b])]));
  const count = 24;
  const pixels = Float32Array.from(randomTensor([count, 100], 9).data);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
  return { graph, data: { count, inputs: new Map([["x", pixels]]), wanted: { kind: "labels", labels } } };
}

const forms = [
  ["Dirac convolutions", undefined, { dirac: true }, ["u.alpha", "u.beta", "u.direction"]],
  ["circulant blocks", 2, {}, ["u.columns"]],
  ["circulant blocks that do not divide", 3, {}, ["u.columns"]],
] as const;

it.for(forms)(
  "%s are trained along the slopes that are measured, and stay what they are",
  ([, block, given, names]) => {
    const { graph, data } = convolutions(block);
    const options = { ...given, optimizer: "sgd", rate: 0.01, clip: 1e9, batch: data.count, epochs: 1 } as const;
    const loss = (trainer: Trainer) => trainer.judge(data).loss;
    const stepped = new Trainer(graph, data, options);
    expect(stepped.parameters.slice(0, names.length).map((p) => p.name)).toEqual(names);
    const before = stepped.parameters.map(({ values }) => values.data.slice());
    stepped.step();
    for (const [p, { values }] of stepped.parameters.entries()) {
      // A step of plain descent is the slope times the rate.
      for (let i = 0; i < values.count; i += Math.ceil(values.count / 6)) {
        const at = (by: number) => {
          const other = new Trainer(graph, data, options);
          other.parameters[p]!.values.data[i]! += by;
          other.refresh();
          return loss(other);
        };
        const measured = (at(0.01) - at(-0.01)) / 0.02;
        expect((before[p]![i]! - values.data[i]!) / options.rate).toBeCloseTo(measured, 3);
      }
    }
    const tuned = finished(new Trainer(graph, data, { ...given, epochs: 5, fresh: true })).weights();
    if (block !== undefined) expect(isCirculant(tuned.get("u")!, block)).toBe(true);
  },
);

it("a Dirac convolution begins as the weight it takes the place of, and training with it resumes", () => {
  const { graph, data } = convolutions();
  const options = { dirac: true, epochs: 3, batch: 10 };
  const plain = new Trainer(graph, data);
  const dirac = new Trainer(graph, data, options);
  for (const [name, { data: numbers }] of plain.weights())
    for (const [i, v] of dirac.weights().get(name)!.data.entries()) expect(v).toBeCloseTo(numbers[i]!, 6);
  const half = new Trainer(graph, data, options);
  for (let i = 0; i < 4; i++) half.step();
  const resumed = new Trainer(graph, data, options);
  resumeFrom(resumed, writeCheckpoint(half), "half.safetensors");
  expect(finished(resumed).weights()).toEqual(finished(dirac).weights());
});
