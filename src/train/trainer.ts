import { fail, invariant } from "../base/diagnostic.ts";
import { type Tensor, tensor } from "../base/tensor.ts";
import type { Graph, NodeId } from "../ir/graph.ts";
import { epochOrder, fillInputs, randomAt } from "./batches.ts";
import type { TrainingData } from "./data.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { drawWeights } from "./first-weights.ts";
import { type Form, formsOf } from "./forms.ts";
import { GroupPruner } from "./group-pruner.ts";
import { type LossName, lossOf } from "./loss.ts";
import { type Moments, newMoments, optimize, slopeNorm } from "./optimizer.ts";
import { completeOptions, type TrainingOptions } from "./options.ts";
import { type Parameter, Tape } from "./tape.ts";

/** How good a network is on data. */
export interface Judged {
  /** Mean per sample. */
  readonly loss: number;
  /** Share of samples whose largest output is the right one. */
  readonly accuracy: number;
}

export type Phase = "pretrain" | "ramp" | "tune";

/** What an epoch came to. */
export interface EpochResult {
  /** From 1, over all phases. */
  readonly epoch: number;
  readonly phase: Phase;
  /** On the batches as they were learned from. */
  readonly training: Judged;
  readonly validation: Judged | undefined;
  /** Groups that are zero for good. */
  readonly deadGroups: number;
}

/** Where training is, and what it has to know to go on to the same end. */
export interface Progress {
  readonly epoch: number;
  /** Steps done of this epoch. */
  readonly step: number;
  /** Steps done in all. */
  readonly updates: number;
  /** Sums over the samples of this epoch. */
  readonly loss: number;
  readonly right: number;
  readonly history: readonly EpochResult[];
}

/**
 * Trains a network step by step: epochs as it is, epochs with groups of weights pressed towards zero ever harder, epochs with
 * what became zero kept so. The same seed gives the same weights, whether or not training was interrupted in between.
 */
export class Trainer {
  readonly options: TrainingOptions;
  /** Tells this training from others; see `fingerprintOf`. */
  readonly fingerprint: string;
  /** The tensors of the network that learn. */
  readonly tensors: readonly Parameter[];
  /** What is trained: most tensors themselves, or what they are made of (`formsOf`). */
  readonly parameters: readonly Parameter[];
  /** Of each parameter. */
  readonly moments: readonly Moments[];
  readonly pruner: GroupPruner;
  /** The tensors before pruning, which distillation asks; undefined without it, and before the pressure begins. */
  teacher: readonly Float32Array[] | undefined;
  progress: Progress = { epoch: 0, step: 0, updates: 0, loss: 0, right: 0, history: [] };
  readonly #tape: Tape;
  readonly #forms: readonly Form[];
  readonly #teacherTape: Tape | undefined;
  readonly #data: TrainingData;
  readonly #validation: TrainingData | undefined;
  readonly #loss: LossName;
  #order: Int32Array = new Int32Array(0);
  #orderOf = -1;

  /** Fails where the network cannot be trained, or data, options and groups do not fit. */
  constructor(
    graph: Graph,
    data: TrainingData,
    given: Partial<TrainingOptions> = {},
    validation?: TrainingData | undefined,
  ) {
    this.options = completeOptions(given);
    const { batch, groups, distill, dirac, fresh, revive, seed, loss } = this.options;
    const [output, ...others] = graph.outputs;
    if (output === undefined || others.length > 0)
      fail("training-outputs", "nowhere", { network: graph.name, outputs: graph.outputs.map((o) => o.name) });
    if (data.count < 1)
      fail("too-few-samples", "nowhere", { found: data.count, needed: 1, what: "samples to train on" });
    this.#data = data;
    this.#validation = validation;
    this.#loss = loss ?? usualLoss(data);
    const trained = trainedNode(graph, this.#loss);
    this.#tape = new Tape(graph, trained, { batch: Math.min(batch, data.count) });
    this.tensors = this.#tape.parameters;
    if (this.tensors.length === 0) fail("nothing-to-learn", "nowhere", { network: graph.name });
    if (fresh) drawWeights(this.#tape, graph, data, seed);
    this.#forms = formsOf(graph, this.tensors, dirac);
    this.parameters = this.#forms.flatMap((form) => form.own);
    this.refresh();
    this.fingerprint = fingerprintOf(graph, this.options, validation === undefined ? [data] : [data, validation]);
    this.moments = this.parameters.map(newMoments);
    this.pruner = new GroupPruner(this.#forms, groups, revive);
    if (distill > 0) this.#teacherTape = new Tape(graph, trained, { batch: this.#tape.batch, frozen: true });
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.#data.count / this.#tape.batch);
  }

  get epochs(): number {
    const { pretrain, ramp, epochs } = this.options;
    return pretrain + ramp + epochs;
  }

  get done(): boolean {
    return this.progress.epoch >= this.epochs;
  }

  /** Learns from the next batch. Answers with what its epoch came to when that is over. */
  step(): EpochResult | undefined {
    invariant(!this.done, "a training that is over has no next step");
    const { epoch, step, updates } = this.progress;
    if (step === 0) this.#beginEpoch();
    const sums = this.#learn();
    const { loss, right, history } = this.progress;
    const after = { loss: loss + sums.loss, right: right + sums.right, history };
    this.progress = { epoch, step: step + 1, updates: updates + 1, ...after };
    return step + 1 < this.stepsPerEpoch ? undefined : this.#endEpoch();
  }

  /** How good the network is as it stands. */
  judge(data: TrainingData): Judged {
    let [loss, right] = [0, 0];
    for (let start = 0; start < data.count; start += this.#tape.batch) {
      const order = Int32Array.from({ length: Math.min(this.#tape.batch, data.count - start) }, (_, i) => start + i);
      fillInputs(this.#tape.inputs, data, order);
      this.#tape.forward(order.length);
      const { values, size } = this.#tape.output;
      const sums = lossOf({ name: this.#loss, outputs: values.data, size, order, wanted: data.wanted });
      loss += sums.loss;
      right += sums.right;
    }
    return { loss: loss / data.count, accuracy: right / data.count };
  }

  /** Makes the tensors of the network of what is trained, after that was changed from outside. */
  refresh(): void {
    for (const form of this.#forms) form.write();
  }

  /** All that training changed, by the name of the constant. */
  weights(): Map<string, Tensor> {
    return new Map(this.tensors.map(({ name, shape, values }) => [name, tensor(shape, values.data)]));
  }

  #learn() {
    const { rate, decay, clip, optimizer, seed, shift } = this.options;
    const { epoch, step, updates } = this.progress;
    if (this.#orderOf !== epoch) this.#order = epochOrder(this.#data.count, seed, epoch);
    this.#orderOf = epoch;
    const { batch, inputs, output } = this.#tape;
    const order = this.#order.subarray(step * batch, (step + 1) * batch);
    fillInputs(inputs, this.#data, order, { pixels: shift, random: randomAt(seed, epoch, step) });
    this.#tape.forward(order.length);
    const distillation = this.#taught(order.length);
    const { values, size } = output;
    const task = { name: this.#loss, outputs: values.data, size, order, wanted: this.#data.wanted, distillation };
    let sums = { loss: 0, right: 0 };
    this.#tape.backward(order.length, (slopes) => {
      sums = lossOf({ ...task, slopes });
    });
    for (const form of this.#forms) form.collect();
    this.pruner.clear("slopes");
    const norm = slopeNorm(this.parameters);
    if (!Number.isFinite(norm + sums.loss))
      fail("training-diverged", "nowhere", { epoch: epoch + 1, step: step + 1, loss: sums.loss / order.length });
    const along = { rate: rate * this.#rateShare(), decay, step: updates + 1, factor: Math.min(1, clip / norm) };
    for (const [i, parameter] of this.parameters.entries()) optimize(optimizer, parameter, this.moments[i]!, along);
    const pressure = this.#pressure();
    if (pressure > 0) this.pruner.shrink(pressure);
    this.pruner.clear("values");
    this.refresh();
    return sums;
  }

  /** Phases begin with the epochs 0, `pretrain` and `pretrain + ramp`. */
  #phase(): { readonly name: Phase; readonly done: number; readonly steps: number } {
    const { pretrain, ramp, epochs } = this.options;
    const { epoch, step } = this.progress;
    const [name, first, length]: readonly [Phase, number, number] =
      epoch < pretrain
        ? ["pretrain", 0, pretrain]
        : epoch < pretrain + ramp
          ? ["ramp", pretrain, ramp]
          : ["tune", pretrain + ramp, epochs];
    const perEpoch = this.stepsPerEpoch;
    return { name, done: (epoch - first) * perEpoch + step, steps: length * perEpoch };
  }

  #rateShare(): number {
    const { name, done, steps } = this.#phase();
    return name === "ramp" ? 1 : 1 - done / steps;
  }

  /** Grows evenly, and adds up to `strength` over the phase. */
  #pressure(): number {
    const { name, done, steps } = this.#phase();
    return name === "ramp" ? (this.options.strength * 2 * (done + 1)) / (steps * (steps + 1)) : 0;
  }

  #beginEpoch(): void {
    const { pretrain, keep } = this.options;
    const { epoch } = this.progress;
    if (this.#phase().name === "ramp" && keep !== undefined) this.pruner.aim(keep, this.#momentsOf());
    if (epoch === pretrain && this.#teacherTape !== undefined)
      this.teacher = this.tensors.map(({ values }) => values.data.slice());
  }

  #momentsOf(): ReadonlyMap<Parameter, Moments> {
    return new Map(this.parameters.map((parameter, i) => [parameter, this.moments[i]!]));
  }

  #taught(samples: number) {
    const { distill: share, temperature } = this.options;
    const tape = this.#teacherTape;
    if (tape === undefined || this.teacher === undefined) return undefined;
    for (const [i, { name }] of this.tensors.entries()) tape.values.get(name)!.values.data.set(this.teacher[i]!);
    for (const [name, { values }] of tape.inputs) values.data.set(this.#tape.inputs.get(name)!.values.data);
    tape.forward(samples);
    return { teacher: tape.output.values.data, share, temperature };
  }

  #endEpoch(): EpochResult {
    const { pretrain, ramp, keep } = this.options;
    const { name } = this.#phase();
    const { epoch, loss, right, history } = this.progress;
    const rampDone = epoch + 1 - pretrain;
    if (name === "ramp") {
      // The budget falls evenly, so that the network can make up for each cut before the next one.
      if (keep !== undefined) this.pruner.cut(1 - ((1 - keep) * rampDone) / ramp, this.#momentsOf());
      else if (rampDone === ramp) this.pruner.bury();
      this.refresh();
    }
    const validation = this.#validation === undefined ? undefined : this.judge(this.#validation);
    const broken = this.parameters.some(({ values }) => values.data.some((v) => !Number.isFinite(v)));
    if (broken || !Number.isFinite(validation?.loss ?? 0))
      fail("training-diverged", "nowhere", {
        epoch: epoch + 1,
        step: this.stepsPerEpoch,
        loss: validation?.loss ?? loss,
      });
    const result: EpochResult = {
      epoch: epoch + 1,
      phase: name,
      training: { loss: loss / this.#data.count, accuracy: right / this.#data.count },
      validation,
      deadGroups: this.pruner.goneCount,
    };
    const { updates } = this.progress;
    this.progress = { epoch: epoch + 1, step: 0, updates, loss: 0, right: 0, history: [...history, result] };
    return result;
  }
}

/** What data is judged by unless said. */
export function usualLoss({ wanted }: TrainingData): LossName {
  return wanted.kind === "labels" ? "cross-entropy" : "squares";
}

/** The values that the loss is of; cross-entropy works on those in front of a softmax at the end. */
export function trainedNode(graph: Graph, loss: LossName): NodeId {
  const node = graph.nodes[graph.outputs[0]!.node]!;
  const isSoftmax = node.op === "softmax" || node.op === "log_softmax";
  return loss === "cross-entropy" && isSoftmax ? node.inputs[0]! : node.id;
}
