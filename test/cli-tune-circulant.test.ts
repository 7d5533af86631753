import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Digit, readDigits } from "../examples/digits/data.ts";
import { isCirculant, projected } from "../src/base/circulant.ts";
import { tensor } from "../src/base/tensor.ts";
import { circulantKey } from "../src/weights/first-columns.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { randomTensor } from "./ops-builder.ts";

/** A folder with the digits network and its data, for training and held out. */
function folderWithDigits(): string {
  const folder = temporaryFolder();
  for (const name of ["digits.hen", "digits.safetensors"])
    copyFileSync(new URL(`../examples/digits/${name}`, import.meta.url), join(folder, name));
  const { training, heldOut } = readDigits();
  const save = (name: string, digits: readonly Digit[]) => {
    const image = tensor(
      [digits.length, 1, 8, 8],
      digits.flatMap((digit) => [...digit.image.data]),
    );
    const labels = tensor(
      [digits.length],
      digits.map(({ label }) => label),
    );
    writeFileSync(join(folder, name), writeSafetensors(new Map(Object.entries({ image, labels }))));
  };
  save("train.safetensors", training);
  save("test.safetensors", heldOut);
  return folder;
}

/** Two convolutions and a dense layer, the second convolution with circulant weights, and 60 labelled images. */
function folderWithBlocks(): string {
  const folder = temporaryFolder();
  const text = `network net {
  weights "net.safetensors"
  input x: [2, 8, 8] in -1 .. 1
  a = square(conv2d(x, weight = @a.weight, pad = 1))
  b = square(conv2d(a, weight = @b.weight, pad = 1))   @circulant(block = 4)
  output y = dense(flatten(b), weight = @c.weight)
}

target seal {
  precision = 2 bits
}
`;
  writeFileSync(join(folder, "net.hen"), text);
  const weights = {
    "a.weight": randomTensor([8, 2, 3, 3], 1),
    "b.weight": projected(randomTensor([8, 8, 3, 3], 2), 4).weight,
    "c.weight": randomTensor([2, 512], 3),
  };
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors(new Map(Object.entries(weights))));
  const x = randomTensor([60, 2, 8, 8], 4);
  const labels = tensor(
    [60],
    Array.from({ length: 60 }, (_, i) => (x.data[128 * i]! > 0 ? 1 : 0)),
  );
  writeFileSync(join(folder, "data.safetensors"), writeSafetensors(new Map(Object.entries({ x, labels }))));
  return folder;
}

const weightsIn = (folder: string, name: string) => readSafetensors(readFileSync(join(folder, name)), name);

/** What tune says of a model on the held out digits before it begins. */
async function judged(folder: string, model: string) {
  const flags = ["--data", "train.safetensors", "--validation", "test.safetensors", "--epochs", "1", "--rate", "1e-9"];
  const { err } = await run(folder, "tune", model, ...flags, "-o", "judged.hen", "--force");
  const [, loss, percent] = /^before: held out: loss ([\d.]+), ([\d.]+) % right$/m.exec(err)!;
  return { loss: Number(loss), percent: Number(percent) };
}

it("weights projected with the statistics of tune lose much less of what digits are told apart by", async () => {
  const folder = folderWithDigits();
  const tune = ["--data", "train.safetensors", "--epochs", "1", "--rate", "1e-5", "--hold-out", "0"];
  const tuned = await run(
    folder,
    "tune",
    "digits.hen",
    ...tune,
    "-o",
    "tuned.hen",
    "--statistics",
    "squares.safetensors",
  );
  expect(tuned.code).toBe(0);
  const circulant = ["circulant", "tuned.hen", "--budget", "2", "--blocks", "2"];
  const plain = await run(folder, ...circulant, "-o", "plain.hen");
  const weighted = await run(folder, ...circulant, "--statistics", "squares.safetensors", "-o", "weighted.hen");
  expect([plain.code, weighted.code]).toEqual([0, 0]);
  for (const model of ["plain", "weighted"])
    expect(isCirculant(weightsIn(folder, `${model}.safetensors`).tensors.get("fc1.weight")!, 2)).toBe(true);
  const [before, plainly, wisely] = [
    await judged(folder, "tuned.hen"),
    await judged(folder, "plain.hen"),
    await judged(folder, "weighted.hen"),
  ];
  expect(before.percent).toBeGreaterThan(95);
  expect(wisely.loss - before.loss).toBeLessThan(0.5 * (plainly.loss - before.loss));
  expect(wisely.percent).toBeGreaterThan(plainly.percent + 20);
});

it("tune presses groups of circulant weights to zero, which stay circulant", async () => {
  const folder = folderWithBlocks();
  const flags = ["--data", "data.safetensors", "--prune", "aligned", "--keep", "0.5", "--ramp", "3", "--epochs", "3"];
  const whole = await run(folder, "tune", "net.hen", ...flags, "-o", "whole.hen", "--json");
  expect([whole.code, whole.err]).toEqual([0, ""]);
  const gone = JSON.parse(whole.out).gone.filter((g: { weight: string }) => g.weight === "b.weight");
  expect(gone.length).toBeGreaterThan(0);
  const { tensors, metadata } = weightsIn(folder, "whole.safetensors");
  const weight = tensors.get("b.weight")!;
  expect(isCirculant(weight, 4)).toBe(true);
  expect(weight.data.filter((v) => v === 0).length).toBeGreaterThanOrEqual(192);
  expect(JSON.parse(metadata.get(circulantKey)!)).toHaveProperty(["b.weight"], [8, 8, 3, 3]);
  // The zeros are those that packing pays for.
  const rotations = async (model: string) =>
    JSON.parse((await run(folder, "inspect", model, "--json")).out).totals.rotations;
  expect(await rotations("whole.hen")).toBeLessThan(await rotations("net.hen"));
});

it("prune keeps circulant weights that it leaves alone as first columns", async () => {
  const folder = folderWithBlocks();
  const text = readFileSync(join(folder, "net.hen"), "utf8");
  writeFileSync(
    join(folder, "net.hen"),
    text.replace("@a.weight, pad = 1))", "@a.weight, pad = 1))   @prune(channel, keep = 0.5)"),
  );
  const { code } = await run(folder, "prune", "net.hen", "--no-permute", "-o", "pruned.hen");
  expect(code).toBe(0);
  const [before, { tensors, metadata }] = [
    weightsIn(folder, "net.safetensors").tensors,
    weightsIn(folder, "pruned.safetensors"),
  ];
  expect(tensors.get("a.weight")!.data.some((v) => v === 0)).toBe(true);
  expect(tensors.get("b.weight")!.data).toEqual(before.get("b.weight")!.data);
  expect(JSON.parse(metadata.get(circulantKey)!)).toHaveProperty(["b.weight"], [8, 8, 3, 3]);
});
