import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { argmax } from "../examples/digits/data.ts";
import type { defaultSettings } from "../passes/settings.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { compileAny, compileGraph } from "../src/driver/compile.ts";
import { outsideFits } from "../src/driver/outside-fits.ts";
import { type ReadModel, readSource } from "../src/driver/read-model.ts";
import { openSession } from "../src/driver/run-plan.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { observeRanges } from "../src/ir/observe-ranges.ts";
import type { Plan } from "../src/plan/plan.ts";
import { isRoundsPlan, runRounds } from "../src/plan/rounds.ts";
import { makeSimMachine, simMachine } from "../src/plan/sim-machine.ts";
import { itWithMaterial, materialPath, mnistTest } from "./material.ts";
import { noExternalFiles } from "./onnx-models.ts";

// LeNet-5 with four ReLUs, as HEIR's examples have it. Ranges are observed on 200 images; accuracy is that on 500 others.

const [black, white] = [0, 1].map((v) => (v - 0.1307) / 0.3081) as [number, number];

/** An image of 28 x 28 bytes in the middle of 32 x 32 normalized numbers. */
function padded({ data }: Tensor): Tensor {
  const out = new Float64Array(1024).fill(black);
  for (let y = 0; y < 28; y++)
    for (let x = 0; x < 28; x++) out[(y + 2) * 32 + x + 2] = (data[y * 28 + x]! / 255 - 0.1307) / 0.3081;
  return { shape: [1, 1, 32, 32], data: out };
}

const inputs = (image: Tensor) => new Map([["input", padded(image)]]);
const answer = (outputs: ReadonlyMap<string, Tensor>) => [...outputs.values()][0]!.data;

/** The model with the ranges of its layers and an activation for its ReLUs. */
function lenet(choice: Partial<typeof defaultSettings>): ReadModel {
  const path = materialPath("onnx", "nets", "lenet5_mnist_heir.onnx");
  const options = { ranges: new Map([["input", [black, white] as const]]) };
  const model = readSource({ onnx: readFileSync(path), path, host: noExternalFiles, options });
  const seen = observeRanges(
    model.graph,
    mnistTest(700)
      .slice(500)
      .map(({ image }) => inputs(image)),
  );
  return { ...model, settings: { ...model.settings, ranges: seen.layers, ...choice } };
}

function accuracy(graph: Graph, images: ReturnType<typeof mnistTest>): number {
  const right = images.filter(({ image, digit }) => argmax(answer(evaluate(graph, inputs(image)))) === digit);
  return right.length / images.length;
}

/** Compiles, and keeps the network as it is with polynomials. */
function compiled(model: ReadModel): { readonly plan: Plan; readonly polynomial: Graph } {
  let polynomial = model.graph;
  const { plan } = compileGraph(model, {
    after: (pass, graph) => {
      if (pass.name === "fit-activations") polynomial = graph;
    },
  });
  return { plan, polynomial };
}

const degree = (d: number) => ({ activations: new Map([["relu", { kind: "polynomial", degree: d } as const]]) });

itWithMaterial(
  "ReLUs of degree 7 at 128 bits leave LeNet at least 97.5 % right, in 17 levels",
  { timeout: 300_000 },
  async () => {
    const { plan, polynomial } = compiled(lenet({ ...degree(7), precision: 8 }));
    expect(plan.security.bits).toBeGreaterThanOrEqual(128);
    expect(plan.scheme.degree).toBe(32768);
    expect(plan.cost.totals.levels).toBe(17);
    expect(plan.cost.totals.cipherMultiplications).toBe(4 * 5);
    expect(plan.fits!.map((fit) => [fit.function, fit.degree])).toEqual(Array(4).fill(["relu", 7]));
    const images = mnistTest(500);
    expect(accuracy(polynomial, images)).toBeGreaterThanOrEqual(0.975);
    for (const { image } of images.slice(0, 3)) {
      const wanted = answer(evaluate(polynomial, inputs(image)));
      const got = answer(await simMachine.run(plan, inputs(image)));
      for (const [i, v] of wanted.entries()) expect(Math.abs(got[i]! - v)).toBeLessThan(2 ** -8);
    }
  },
);

itWithMaterial(
  "the tolerance finds degrees that fit a smaller ring, and encrypted images are classified as by the polynomials",
  { timeout: 300_000 },
  async () => {
    const byTolerance = {
      activations: new Map([["relu", { kind: "polynomial" } as const]]),
      fitTolerance: 0.18,
      precision: 8,
    };
    const { plan, polynomial } = compiled(lenet(byTolerance));
    expect(plan.fits!.map((fit) => fit.degree)).toEqual([4, 7, 4, 2]);
    expect(plan.scheme.degree).toBe(16384);
    expect(plan.cost.totals.levels).toBe(13);
    const images = mnistTest(500);
    expect(accuracy(polynomial, images)).toBeGreaterThanOrEqual(0.975);
    const session = await openSession(plan);
    try {
      for (const { image } of images.slice(0, 2)) {
        expect(outsideFits(plan, inputs(image))).toEqual([]);
        const wanted = answer(evaluate(polynomial, inputs(image)));
        const got = answer(await session.run(inputs(image)));
        for (const [i, v] of wanted.entries()) expect(Math.abs(got[i]! - v)).toBeLessThan(2 ** -8);
        expect(argmax(got)).toBe(argmax(wanted));
      }
    } finally {
      await session.close();
    }
  },
);

itWithMaterial("degree 4 costs two levels per ReLU and some accuracy", { timeout: 300_000 }, () => {
  const { plan, polynomial } = compiled(lenet({ ...degree(4), precision: 8 }));
  expect(plan.cost.totals.levels).toBe(5 + 4 * 2);
  expect(accuracy(polynomial, mnistTest(500))).toBeGreaterThanOrEqual(0.96);
});

itWithMaterial(
  "with the client's ReLUs every image is classified as in the clear, on numbers and encrypted",
  { timeout: 600_000 },
  async () => {
    const client = { activations: new Map([["relu", { kind: "client" } as const]]), precision: 8 };
    const { plan } = compileAny(lenet(client));
    if (!isRoundsPlan(plan)) throw new Error("rounds");
    expect(plan.rounds).toHaveLength(5);
    const machine = makeSimMachine({ keepWeights: true });
    const session = await openSession(plan);
    try {
      for (const [i, { image }] of mnistTest(100).entries()) {
        const given = inputs(image);
        const wanted = answer(evaluate(plan.source, given));
        const numbers = answer(await runRounds(plan, given, (server, sent) => machine.run(server, sent)));
        expect(argmax(numbers)).toBe(argmax(wanted));
        for (const [k, v] of wanted.entries()) expect(Math.abs(numbers[k]! - v)).toBeLessThan(1e-9);
        if (i < 20) expect(argmax(answer(await session.run(given)))).toBe(argmax(wanted));
      }
    } finally {
      await session.close();
    }
  },
);
