import { fail } from "../base/diagnostic.ts";
import { type JsonInput, parseJson, printJson } from "../base/json.ts";
import { JsonCursor } from "../base/json-cursor.ts";
import { type Tensor, tensor } from "../base/tensor.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import type { EpochResult, Judged, Progress, Trainer } from "./trainer.ts";

const format = "sealwright-checkpoint";
const version = 1;
const maxHeaderBytes = 2 ** 26;
const phases = ["pretrain", "ramp", "tune"] as const;

/**
 * All that a training needs to go on to the same end, as a safetensors file: weights, moments of the optimizer, the teacher where
 * there is one, and how far it is. Random numbers follow from seed, epoch and step, so that none of a generator is kept.
 */
export function writeCheckpoint(trainer: Trainer): Uint8Array {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape, data] of storedParts(trainer)) tensors.set(name, tensor(shape, data));
  const { fingerprint, progress, pruner, teacher } = trainer;
  const listed = (flags: Uint8Array) => [...flags].flatMap((flag, at) => (flag ? at : []));
  const groups = { dead: listed(pruner.dead), pressed: listed(pruner.pressed) };
  const header = { version, fingerprint, taught: teacher !== undefined, ...groups, ...progressJson(progress) };
  return writeSafetensors(tensors, new Map([[format, printJson(header)]]));
}

/** Puts a training where a checkpoint says. Fails for a file that is none, or belongs to another training. */
export function resumeFrom(trainer: Trainer, bytes: Uint8Array, path: string): void {
  const wrong = (reason: string): never => fail("bad-checkpoint", { path }, { reason });
  const { tensors, metadata } = readSafetensors(bytes, path);
  const text = metadata.get(format) ?? wrong("it is a safetensors file, but none that 'sealwright tune' wrote");
  const whole = new JsonCursor(parseJson(text, { path, part: format, limit: maxHeaderBytes }), path, format);
  const found = whole.field("version").integer(0, Number.MAX_SAFE_INTEGER);
  if (found !== version) wrong(`it has version ${found}, this sealwright reads version ${version}`);
  const header = whole.object([
    "version",
    "fingerprint",
    "taught",
    "dead",
    "pressed",
    "epoch",
    "step",
    "updates",
    "loss",
    "right",
    "history",
  ]);
  if (header.fingerprint.text() !== trainer.fingerprint)
    wrong("it was made with another model, other data or other flags");
  trainer.progress = {
    epoch: header.epoch.integer(0, trainer.epochs),
    step: header.step.integer(0, trainer.stepsPerEpoch - 1),
    updates: header.updates.integer(0, Number.MAX_SAFE_INTEGER),
    loss: header.loss.number(),
    right: header.right.integer(0, Number.MAX_SAFE_INTEGER),
    history: header.history.list().map(epochFrom),
  };
  for (const which of ["dead", "pressed"] as const) {
    const flags = trainer.pruner[which].fill(0);
    for (const at of header[which].list()) flags[at.integer(0, flags.length - 1)] = 1;
  }
  if (header.taught.raw === true) trainer.teacher = trainer.tensors.map(({ values }) => values.data.slice());
  for (const [name, , to] of storedParts(trainer)) {
    const stored = tensors.get(name) ?? wrong(`it has no tensor '${name}'`);
    if (stored.data.length !== to.length) wrong(`'${name}' has ${stored.data.length} numbers, needed are ${to.length}`);
    to.set(stored.data);
  }
  trainer.refresh();
}

type Stored = readonly [name: string, shape: readonly number[], data: Float32Array];

/** The arrays that change while training, each by the name it is stored under. */
function storedParts({ parameters, moments, tensors, teacher }: Trainer): Stored[] {
  const trained = parameters.flatMap(({ name, shape, values }, i): Stored[] => [
    [`weight/${name}`, shape, values.data],
    [`first/${name}`, shape, moments[i]!.first],
    [`second/${name}`, shape, moments[i]!.second],
  ]);
  const taught = (teacher ?? []).map((data, i): Stored => [`teacher/${tensors[i]!.name}`, tensors[i]!.shape, data]);
  return [...trained, ...taught];
}

function progressJson({ history, ...rest }: Progress) {
  const judged = ({ loss, accuracy }: Judged): JsonInput => ({ loss, accuracy });
  const epochs = history.map(({ training, validation, ...epoch }): JsonInput => {
    return { ...epoch, training: judged(training), validation: validation === undefined ? null : judged(validation) };
  });
  return { ...rest, history: epochs };
}

function epochFrom(cursor: JsonCursor): EpochResult {
  const { epoch, phase, training, validation, deadGroups } = cursor.object([
    "epoch",
    "phase",
    "training",
    "validation",
    "deadGroups",
  ]);
  const judged = (of: JsonCursor): Judged => {
    const { loss, accuracy } = of.object(["loss", "accuracy"]);
    return { loss: loss.number(), accuracy: accuracy.number() };
  };
  return {
    epoch: epoch.integer(1, Number.MAX_SAFE_INTEGER),
    phase: phase.choice(phases),
    training: judged(training),
    validation: validation.raw === null ? undefined : judged(validation),
    deadGroups: deadGroups.integer(0, Number.MAX_SAFE_INTEGER),
  };
}
