import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Digit, readDigits } from "../examples/digits/data.ts";
import { elementCount, type Tensor, tensor } from "../src/base/tensor.ts";
import { type ReadModel, readModel } from "../src/driver/read-model.ts";
import { tunedGraph } from "../src/driver/tune-model.ts";
import type { TrainingData } from "../src/train/data.ts";
import { Trainer } from "../src/train/trainer.ts";
import { readWeights } from "../src/weights/index.ts";
import { materialPath, mnistTest } from "../test/material.ts";
import type { PruneCase } from "./prune-methods.ts";

/** The networks whose curves are drawn; the second one only where the MNIST images are at hand. */
export const pruneCases: readonly { readonly name: string; make(seed: number): PruneCase | undefined }[] = [
  { name: "digits", make: digits },
  { name: "lenet", make: lenet },
];

function digits(seed: number): PruneCase {
  const folder = new URL("../examples/digits/", import.meta.url);
  const path = fileURLToPath(new URL("digits.hen", folder));
  const tensors = readWeights(readFileSync(new URL("digits.safetensors", folder)), "digits.safetensors");
  const { training, heldOut } = readDigits();
  return {
    name: "digits",
    model: modelOf(path, readFileSync(path, "utf8"), tensors),
    training: packed(training),
    heldOut: packed(heldOut),
    tuning: { loss: "squares", rate: 0.002, decay: 0.05, shift: 1, seed, ramp: 20, epochs: 40 },
  };
}

function packed(all: readonly Digit[]): TrainingData {
  const pixels = Float32Array.from(all.flatMap(({ image }) => [...image.data]));
  return dataOf(pixels, Int32Array.from(all.map(({ label }) => label)));
}

/** 28x28 images, squares, two convolutions and two dense layers: about 99 % right after a dozen epochs. */
const lenetText = `network lenet {
  weights "lenet.safetensors"
  input image: [1, 28, 28] in 0 .. 1

  s1 = square(conv2d(image, weight = @conv1.weight, bias = @conv1.bias, stride = 2, pad = 2))   # [32, 14, 14]
  s2 = square(conv2d(s1, weight = @conv2.weight, bias = @conv2.bias, stride = 2, pad = 2))      # [64, 7, 7]
  h = square(dense(flatten(s2), weight = @fc1.weight, bias = @fc1.bias))
  output logits = dense(h, weight = @fc2.weight, bias = @fc2.bias)
}

target seal {
  precision = 5 bits
}
`;

const lenetShapes: { readonly [name: string]: readonly number[] } = {
  "conv1.weight": [32, 1, 5, 5],
  "conv1.bias": [32],
  "conv2.weight": [64, 32, 5, 5],
  "conv2.bias": [64],
  "fc1.weight": [128, 3136],
  "fc1.bias": [128],
  "fc2.weight": [10, 128],
  "fc2.bias": [10],
};

/** Trained on 8,000 of the MNIST test images, judged on the others: every fifth. */
function lenet(seed: number): PruneCase | undefined {
  if (!existsSync(materialPath("data", "mnist"))) return undefined;
  const images = mnistTest(10_000);
  const part = (own: readonly (typeof images)[number][]) => {
    const pixels = new Float32Array(own.length * 784);
    for (const [i, { image }] of own.entries())
      pixels.set(
        image.data.map((v) => v / 255),
        i * 784,
      );
    return dataOf(
      pixels,
      Int32Array.from(own, ({ digit }) => digit),
    );
  };
  const training = part(images.filter((_, i) => i % 5 !== 0));
  const heldOut = part(images.filter((_, i) => i % 5 === 0));
  const zeros = Object.entries(lenetShapes).map(
    ([name, shape]) => [name, tensor(shape, new Float64Array(elementCount(shape)))] as const,
  );
  const untrained = modelOf("lenet.hen", lenetText, new Map(zeros));
  const steps = { rate: 0.002, decay: 0.05, shift: 1, batch: 64, seed };
  const trainer = new Trainer(untrained.graph, training, { ...steps, fresh: true, epochs: 16 });
  while (!trainer.done) trainer.step();
  const model = { ...untrained, graph: tunedGraph(untrained.graph, trainer.weights()) };
  return { name: "lenet", model, training, heldOut, tuning: { ...steps, ramp: 10, epochs: 12, distill: 0.7 } };
}

function modelOf(path: string, text: string, tensors: ReadonlyMap<string, Tensor>): ReadModel {
  const file = { names: [...tensors.keys()], tensor: (name: string) => tensors.get(name)! };
  const source = () => {
    throw new Error("the network imports nothing");
  };
  return readModel({ path, text }, { weights: () => file, source });
}

function dataOf(pixels: Float32Array, labels: Int32Array): TrainingData {
  return { count: labels.length, inputs: new Map([["image", pixels]]), wanted: { kind: "labels", labels } };
}
