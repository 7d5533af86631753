/**
 * Trains the network of digits.hen on the first 1,437 images and writes digits.safetensors: `node examples/digits/train.ts`.
 * It takes about half a minute on one core and writes the same bytes on every machine: own random numbers, and no function whose
 * last bit differs between engines. The settings were chosen by cross-validation on the training images.
 */
import { writeFileSync } from "node:fs";
import { type Tensor, tensor } from "../../src/base/tensor.ts";
import { writeSafetensors } from "../../src/weights/safetensors.ts";
import { seededRandom, shuffled } from "../random.ts";
import { argmax, type Digit, readDigits } from "./data.ts";
import { adam, conv3x3, dense, type Layer, square } from "./layers.ts";

const channels = 8;
const hidden = 64;
const epochs = 120;
const batch = 16;
const firstRate = 0.003;
const weightDecay = 0.05;
/** The network learns to answer `+target` for the right digit and `-target` for the others. */
const target = 3;

/** Training sees values in 0 .. 1; the factor moves into the first layer's weights afterwards. */
const toUnit = 1 / 16;

const random = seededRandom(1);
const { training, heldOut } = readDigits();
const layers: readonly Layer[] = [
  conv3x3(8, channels, 0.5, random),
  square(),
  dense(channels * 16, hidden, 0.1, random),
  square(),
  dense(hidden, 10, 0.2, random),
];
const step = adam(
  layers.flatMap((layer) => layer.parameters),
  weightDecay,
);

for (let epoch = 0; epoch < epochs; epoch++) {
  let loss = 0;
  const order = shuffled(training, random);
  for (let start = 0; start < order.length; start += batch) {
    const digits = order.slice(start, start + batch);
    for (const digit of digits) loss += learn(digit) / order.length;
    step(firstRate * (1 - epoch / epochs));
  }
  if (epoch % 10 === 9) console.error(`epoch ${epoch + 1} of ${epochs}, loss ${loss.toFixed(3)}`);
}

// What the file will hold.
for (const { values } of layers.flatMap((layer) => layer.parameters)) values.set(values.map(Math.fround));
console.error(`training images ${percent(training)}, held-out images ${percent(heldOut)}`);
const [conv, , fc1, , fc2] = layers as [Layer, Layer, Layer, Layer, Layer];
const weights = new Map<string, Tensor>([
  [
    "conv.weight",
    tensor(
      [channels, 1, 3, 3],
      conv.parameters[0]!.values.map((w) => w * toUnit),
    ),
  ],
  ["conv.bias", tensor([channels], conv.parameters[1]!.values)],
  ["fc1.weight", tensor([hidden, channels * 16], fc1.parameters[0]!.values)],
  ["fc1.bias", tensor([hidden], fc1.parameters[1]!.values)],
  ["fc2.weight", tensor([10, hidden], fc2.parameters[0]!.values)],
  ["fc2.bias", tensor([10], fc2.parameters[1]!.values)],
]);
writeFileSync(new URL("digits.safetensors", import.meta.url), writeSafetensors(weights));

/**
 * Adds one image to the slopes and returns its loss, the sum of squared distances from the targets. The loss is two-sided on
 * purpose: it keeps logits, and with them all activations, small, and small activations are what CKKS computes most exactly.
 */
function learn(digit: Digit): number {
  const logits = run(moved(digit));
  const distance = logits.map((value, k) => value - (k === digit.label ? target : -target));
  layers.reduceRight<Float64Array>(
    (slope, layer) => layer.backward(slope),
    distance.map((d) => d / batch),
  );
  return distance.reduce((sum, d) => sum + d * d, 0);
}

function run(pixels: Float64Array): Float64Array {
  return layers.reduce<Float64Array>((x, layer) => layer.forward(x), pixels);
}

/** The image in 0 .. 1, moved by a pixel every third time along each axis: the scanner did not always hit the middle. */
function moved({ image }: Digit): Float64Array {
  const [down, right] = [drawnShift(), drawnShift()];
  return Float64Array.from({ length: 64 }, (_, i) => {
    const [y, x] = [Math.floor(i / 8) + down, (i % 8) + right];
    return y >= 0 && x >= 0 && y < 8 && x < 8 ? image.data[y * 8 + x]! * toUnit : 0;
  });
}

function drawnShift(): number {
  return [-1, 0, 0, 0, 0, 1][Math.floor(random() * 6)]!;
}

function percent(digits: readonly Digit[]): string {
  const right = digits.filter(({ image, label }) => argmax(run(image.data.map((v) => v * toUnit))) === label).length;
  return `${((100 * right) / digits.length).toFixed(2)} % right (${digits.length - right} of ${digits.length} wrong)`;
}
