import { exp, log } from "../base/elementary.ts";
import type { Wanted } from "./data.ts";

/** How wrong answers count: by the logarithm of the probability of the right class, or by squared distance. */
export type LossName = "cross-entropy" | "squares";

/** What a batch adds up to. */
export interface LossSums {
  /** Of all samples, without distillation. */
  readonly loss: number;
  /** Samples whose largest output is at the place of the label, or of the largest target. */
  readonly right: number;
}

/** Learning from another network besides what is right. */
export interface Distillation {
  /** The other network's outputs for the batch. */
  readonly teacher: Float32Array;
  /** Its share of the loss, 0 .. 1. */
  readonly share: number;
  /** What outputs are divided by before softmax, above 0: the larger, the more the wrong classes say. */
  readonly temperature: number;
}

interface LossTask {
  readonly name: LossName;
  readonly outputs: Float32Array;
  /** Numbers per sample. */
  readonly size: number;
  /** Which sample of the data each of the batch is. */
  readonly order: ArrayLike<number>;
  readonly wanted: Wanted;
  /** Gets the slopes of the mean over the batch; left out where only the sums are asked for. */
  readonly slopes?: Float32Array;
  readonly distillation?: Distillation | undefined;
}

/**
 * The loss of a batch, and its slopes along the outputs. Distillation (Hinton, Vinyals and Dean, arXiv 1503.02531, section 2) adds
 * the relative entropy of softened answers times the square of the temperature; with squares, the squared distance to the teacher.
 * A label as a target of squares is 1 at its place and 0 elsewhere.
 */
export function lossOf({ name, outputs, size, order, wanted, slopes, distillation }: LossTask): LossSums {
  let [loss, right] = [0, 0];
  const count = order.length;
  const target = new Float64Array(size);
  for (let i = 0; i < count; i++) {
    const own = Float64Array.from(outputs.subarray(i * size, (i + 1) * size));
    writeTarget(target, wanted, order[i]!);
    if (placeOfLargest(own) === placeOfLargest(target)) right++;
    const given = slopesOf(name, own, target, 1);
    loss += given.loss;
    if (slopes === undefined) continue;
    const share = distillation?.share ?? 0;
    const back = given.slopes.map((s) => (1 - share) * s);
    if (distillation !== undefined && share > 0) {
      const { teacher, temperature } = distillation;
      const theirs = Float64Array.from(teacher.subarray(i * size, (i + 1) * size));
      const soft = name === "squares" ? theirs : softmax(theirs, temperature);
      const { slopes: toward } = slopesOf(name, own, soft, temperature);
      for (let k = 0; k < size; k++) back[k]! += share * (name === "squares" ? 1 : temperature) * toward[k]!;
    }
    for (let k = 0; k < size; k++) slopes[i * size + k] = back[k]! / count;
  }
  return { loss, right };
}

function slopesOf(name: LossName, outputs: Float64Array, target: Float64Array, temperature: number) {
  if (name === "squares") {
    const slopes = outputs.map((v, k) => v - target[k]!);
    return { loss: slopes.reduce((sum, d) => sum + (d * d) / 2, 0), slopes };
  }
  const shares = softmax(outputs, temperature);
  const loss = shares.reduce((sum, p, k) => (target[k] === 0 ? sum : sum - target[k]! * log(Math.max(p, 1e-30))), 0);
  // A sum that is no number stays none.
  return { loss: Number.isNaN(shares[0]) ? Number.NaN : loss, slopes: shares.map((p, k) => p - target[k]!) };
}

function softmax(outputs: Float64Array, temperature: number): Float64Array {
  const largest = outputs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = outputs.map((v) => exp((v - largest) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

function writeTarget(target: Float64Array, wanted: Wanted, sample: number): void {
  if (wanted.kind === "targets") {
    target.set(wanted.targets.subarray(sample * target.length, (sample + 1) * target.length));
  } else {
    target.fill(0);
    target[wanted.labels[sample]!] = 1;
  }
}

function placeOfLargest(values: Float64Array): number {
  let place = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[place]!) place = i;
  return place;
}
