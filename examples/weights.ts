import { type Tensor, tensor } from "../src/base/tensor.ts";
import { bell, seededRandom } from "./random.ts";

/** The examples whose weights are drawn, not trained: they show cost and precision, not accuracy. */
export const drawnExamples = ["mlp", "lola", "lenet", "lenet-relu"] as const;
export type DrawnExample = (typeof drawnExamples)[number];

/** One layer to draw: its weight is [outputs, ...window], where the window is all that one output sees. */
interface LayerDraft {
  readonly name: string;
  readonly outputs: number;
  readonly window: readonly number[];
}

const networks: { readonly [name in DrawnExample]: readonly LayerDraft[] } = {
  mlp: [
    { name: "fc1", outputs: 128, window: [784] },
    { name: "fc2", outputs: 128, window: [128] },
    { name: "fc3", outputs: 10, window: [128] },
  ],
  lola: [
    { name: "conv", outputs: 5, window: [1, 2, 2] },
    { name: "fc1", outputs: 100, window: [980] },
    { name: "fc2", outputs: 10, window: [100] },
  ],
  lenet: [
    { name: "conv1", outputs: 32, window: [1, 5, 5] },
    { name: "conv2", outputs: 64, window: [32, 5, 5] },
    { name: "fc1", outputs: 512, window: [3136] },
    { name: "fc2", outputs: 10, window: [512] },
  ],
  "lenet-relu": [
    { name: "conv1", outputs: 6, window: [1, 5, 5] },
    { name: "conv2", outputs: 16, window: [6, 5, 5] },
    { name: "fc1", outputs: 120, window: [400] },
    { name: "fc2", outputs: 84, window: [120] },
    { name: "fc3", outputs: 10, window: [84] },
  ],
};

/**
 * The mean of the squares of what a layer sees: 1/3 for pixels even in 0 .. 1; for squares of bell-shaped numbers of
 * variance `v` it is `3 v^2`, for their positive halves `v / 2`; layers are drawn so that `v` is `variance`.
 */
const pixelPower = 1 / 3;
const variance = 1 / 2;
const valuePower = (name: DrawnExample) => (name === "lenet-relu" ? variance / 2 : 3 * variance * variance);

/**
 * The weights of an example by tensor name, the same numbers on every machine. They keep every layer's values near one, however
 * deep the network: for inputs even in 0 .. 1 a layer's outputs before the activation have a variance of about 1/2.
 */
export function exampleWeights(name: DrawnExample): Map<string, Tensor> {
  const random = seededRandom(1 + drawnExamples.indexOf(name));
  const weights = new Map<string, Tensor>();
  for (const [i, layer] of networks[name].entries()) {
    const { outputs, window } = layer;
    const seen = window.reduce((product, size) => product * size, 1);
    const spread = Math.sqrt(variance / (seen * (i === 0 ? pixelPower : valuePower(name))));
    // Single precision, as the file stores them, so that numbers from here and from the file are equal.
    const drawn = (count: number, scale: number) =>
      Float64Array.from({ length: count }, () => Math.fround(scale * bell(random)));
    weights.set(`${layer.name}.weight`, tensor([outputs, ...window], drawn(outputs * seen, spread)));
    weights.set(`${layer.name}.bias`, tensor([outputs], drawn(outputs, 0.1)));
  }
  return weights;
}
