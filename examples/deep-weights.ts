import { elementCount, type Tensor } from "../src/base/tensor.ts";
import { seededRandom } from "./random.ts";

/** Networks for 32x32 colour images that are counted rather than run: rings have as many slots as in papers, or rounds are many. */
export const deepExamples = ["resnet20", "vgg16", "alexnet", "resnet18"] as const;
export type DeepExample = (typeof deepExamples)[number];

export function isDeep(name: string): name is DeepExample {
  return (deepExamples as readonly string[]).includes(name);
}

/** One layer to draw: its weight is [outputs, ...window], where the window is all that one output sees. */
interface LayerDraft {
  readonly name: string;
  readonly outputs: number;
  readonly window: readonly number[];
  readonly reads: keyof typeof power;
  /** Standard deviation that batch normalization gives the outputs; without it the layer has a bias instead. */
  readonly normalizedTo?: number;
}

/**
 * Standard deviation of a layer's outputs. The activation 0.9 x + 0.1 x^2 of these networks grows what lies above 1, so
 * values stay well below.
 */
const spread = 1 / 4;
/** The mean of the squares of what a layer sees: pixels even in 0 .. 1, values after the activation, averages of those. */
const power = { pixels: 1 / 3, values: 0.05, averages: 0.03 };

const conv = (name: string, from: number, to: number, reads: LayerDraft["reads"]): LayerDraft => ({
  name,
  outputs: to,
  window: [from, 3, 3],
  reads,
});
const dense = (name: string, from: number, to: number, reads: LayerDraft["reads"]): LayerDraft => ({
  name,
  outputs: to,
  window: [from],
  reads,
});

const networks: { readonly [name in DeepExample]: () => readonly LayerDraft[] } = {
  resnet20: () => residual([16, 32, 64], 3, 10),
  vgg16,
  alexnet: () => [
    conv("conv1", 3, 64, "pixels"),
    conv("conv2", 64, 192, "averages"),
    conv("conv3", 192, 384, "averages"),
    conv("conv4", 384, 256, "values"),
    conv("conv5", 256, 256, "values"),
    dense("fc1", 1024, 4096, "averages"),
    dense("fc2", 4096, 4096, "values"),
    dense("fc3", 4096, 10, "values"),
  ],
  resnet18: () => residual([64, 128, 256, 512], 2, 100),
};

/** A residual network with so many blocks for each number of channels. */
function residual(stages: readonly [number, ...number[]], blocks: number, classes: number): LayerDraft[] {
  const layers: LayerDraft[] = [{ ...conv("conv1", 3, stages[0], "pixels"), normalizedTo: spread }];
  let from = stages[0];
  for (const [s, channels] of stages.entries()) {
    const stage = `stage${s + 1}`;
    if (channels !== from) {
      layers.push({ name: `${stage}.skip`, outputs: channels, window: [from, 1, 1], reads: "values" });
    }
    for (let block = 1; block <= blocks; block++) {
      const name = `${stage}.block${block}`;
      layers.push({ ...conv(`${name}.conv1`, from, channels, "values"), normalizedTo: spread });
      // What is added to the skip must be smaller, else the sums grow from block to block.
      layers.push({ ...conv(`${name}.conv2`, channels, channels, "values"), normalizedTo: spread / 2 });
      from = channels;
    }
  }
  return [...layers, dense("fc", from, classes, "averages")];
}

function vgg16(): LayerDraft[] {
  const layers: LayerDraft[] = [];
  let from = 3;
  for (const [s, [channels, count]] of (
    [
      [64, 2],
      [128, 2],
      [256, 3],
      [512, 3],
      [512, 3],
    ] as const
  ).entries()) {
    for (let i = 1; i <= count; i++) {
      const reads = i > 1 ? "values" : s > 0 ? "averages" : "pixels";
      layers.push(conv(`conv${s + 1}.${i}`, from, channels, reads));
      from = channels;
    }
  }
  return [...layers, dense("fc", 512, 10, "averages")];
}

/**
 * The weights of an example by tensor name, the same numbers on every machine: even around zero, the usual start of training,
 * and sized so that the values of all layers keep about the same spread.
 */
export function deepWeights(name: DeepExample): Map<string, Tensor> {
  const random = seededRandom(101 + deepExamples.indexOf(name));
  const weights = new Map<string, Tensor>();
  /** Numbers even in `middle - reach .. middle + reach`, in single precision, as the file stores them. */
  const draw = (key: string, shape: readonly number[], reach: number, middle = 0) => {
    const data = new Float64Array(elementCount(shape));
    for (let i = 0; i < data.length; i++) data[i] = Math.fround(middle + reach * (2 * random() - 1));
    weights.set(key, { shape, data });
  };
  for (const { name: layer, outputs, window, reads, normalizedTo } of networks[name]()) {
    const deviation = (normalizedTo === undefined ? spread : 1) / Math.sqrt(elementCount(window) * power[reads]);
    draw(`${layer}.weight`, [outputs, ...window], Math.sqrt(3) * deviation);
    const perChannel = (key: string, reach: number, middle = 0) => draw(`${layer}.${key}`, [outputs], reach, middle);
    if (normalizedTo === undefined) {
      perChannel("bias", 0.05);
      continue;
    }
    perChannel("scale", normalizedTo / 4, normalizedTo);
    perChannel("shift", 0.05);
    perChannel("mean", 0.1);
    perChannel("variance", 0.25, 1);
  }
  return weights;
}
