import { code } from "./code.ts";

const shape = (dims: readonly number[]) => `[${dims.join(", ")}]`;

/** Codes of training, SW281 .. SW299. */
export const trainCodes = {
  "no-gradient": code<{ layer: string; op: string }>({
    id: "SW281",
    severity: "error",
    exit: 4,
    message: (p) => `the network cannot be trained: '${p.layer}' (${p.op}) has no slope that training could follow`,
    help: "end the network before it, or replace it by a layer that training knows; see docs/training.md",
  }),
  "nothing-to-learn": code<{ network: string }>({
    id: "SW282",
    severity: "error",
    exit: 4,
    message: (p) => `network '${p.network}' has no weights that training could change`,
    help: "training changes weights, biases, scales and shifts of layers; see docs/training.md",
  }),
  "training-outputs": code<{ network: string; outputs: readonly string[] }>({
    id: "SW283",
    severity: "error",
    exit: 4,
    message: (p) =>
      `network '${p.network}' has ${p.outputs.length} outputs (${p.outputs.map((name) => `'${name}'`).join(", ")}), trained can be networks with one`,
    help: "write a model with one of them for training; the weights fit both",
  }),
  "no-targets": code<{ found: readonly string[] }>({
    id: "SW284",
    severity: "error",
    exit: 3,
    message: (p) =>
      `the data says nothing about what is right: found are ${p.found.length === 0 ? "no arrays" : p.found.map((name) => `'${name}'`).join(", ")}, needed is 'labels' or 'targets' besides the inputs`,
    help: "numpy.savez(path, images, labels=classes): integers counted from 0; or targets=values in the shape of the output",
  }),
  "bad-label": code<{ sample: number; found: number; classes: number }>({
    id: "SW285",
    severity: "error",
    exit: 3,
    message: (p) => `the label of sample ${p.sample} is ${p.found}, allowed are integers from 0 to ${p.classes - 1}`,
    help: "labels are places in the network's output, counted from 0",
  }),
  "target-shape": code<{ array: string; found: readonly number[]; needed: readonly number[] }>({
    id: "SW286",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.array}' has the shape ${shape(p.found)}, needed is ${shape(p.needed)}`,
    help: "give one label, or one value of the output, for each sample",
  }),
  "too-few-samples": code<{ found: number; needed: number; what: string }>({
    id: "SW287",
    severity: "error",
    exit: 3,
    message: (p) => `there are ${p.found} ${p.what}, needed are at least ${p.needed}`,
    help: "give more data, or hold out a smaller share of it",
  }),
  "training-diverged": code<{ epoch: number; step: number; loss: number }>({
    id: "SW288",
    severity: "error",
    exit: 8,
    message: (p) => `training diverged: in epoch ${p.epoch}, step ${p.step}, the loss is ${p.loss}`,
    help: "take a smaller --rate or --clip; networks with square activations want rates of 0.001 or less",
  }),
  "bad-checkpoint": code<{ reason: string }>({
    id: "SW289",
    severity: "error",
    exit: 3,
    message: (p) => `the checkpoint cannot be resumed: ${p.reason}`,
    help: "resume with the model, data and flags that the checkpoint was made with, or begin again without --resume",
  }),
  "group-misfit": code<{ label: string; weight: string; reason: string }>({
    id: "SW290",
    severity: "error",
    exit: 3,
    message: (p) => `the group '${p.label}' of weight '${p.weight}' does not fit the network: ${p.reason}`,
    help: "make the groups again from this very model",
  }),
  "training-memory": code<{ bytes: number; limit: number; batch: number }>({
    id: "SW291",
    severity: "error",
    exit: 5,
    message: (p) =>
      `training with batches of ${p.batch} takes ${Math.ceil(p.bytes / 2 ** 20)} MiB, at most ${p.limit / 2 ** 20} MiB can be used`,
    help: "take a smaller --batch",
  }),
  "bad-training-option": code<{ option: string; found: string; allowed: string }>({
    id: "SW292",
    severity: "error",
    exit: 2,
    message: (p) => `'${p.option}' is ${p.found}, allowed is ${p.allowed}`,
    help: "see 'sealwright help tune'",
  }),
  "no-groups": code<{ network: string; kind: string }>({
    id: "SW294",
    severity: "error",
    exit: 4,
    message: (p) => `network '${p.network}' has no ${p.kind} groups of weights that a cost depends on`,
    help: "try another kind; 'sealwright groups' tells which layers have none",
  }),
  "weights-in-text": code<{ weight: string }>({
    id: "SW293",
    severity: "error",
    exit: 3,
    message: (p) => `the numbers of '${p.weight}' stand in the model's text, which a file of weights cannot change`,
    help: "write a new model instead: -o NEW.hen",
  }),
} as const;
