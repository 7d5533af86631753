import type { EpochResult, Judged, Trainer } from "../train/trainer.ts";

const words = { pretrain: "pretraining", ramp: "pressing groups", tune: "tuning" } as const;

/** `epoch 3 of 20, tuning: loss 0.123, 96.20 % right; held out: loss 0.200, 95.10 % right; 12 groups gone`. */
export function epochLine({ epoch, phase, training, validation, deadGroups }: EpochResult, epochs: number): string {
  const parts = [
    `epoch ${epoch} of ${epochs}, ${words[phase]}: ${judgedText(training)}`,
    ...(validation === undefined ? [] : [`held out: ${judgedText(validation)}`]),
    ...(deadGroups === 0 ? [] : [`${deadGroups} groups gone`]),
  ];
  return parts.join("; ");
}

export function judgedText({ loss, accuracy }: Judged): string {
  return `loss ${loss.toPrecision(3)}, ${(100 * accuracy).toFixed(2)} % right`;
}

/** What `tune --json` prints. */
export function trainingJson({ progress: { history, updates }, options, pruner }: Trainer, files: readonly string[]) {
  const gone = options.groups.flatMap(({ layer, weight, kind, label }, at) =>
    pruner.isGone(at) ? [{ layer, weight, kind, label }] : [],
  );
  return {
    format: "sealwright-training",
    version: 1,
    files,
    steps: updates,
    groups: options.groups.length,
    gone,
    epochs: history.map(({ validation = null, ...epoch }) => ({ ...epoch, validation })),
  };
}
