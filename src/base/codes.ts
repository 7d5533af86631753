import { blindCodes } from "./codes/blind.ts";
import { circulantCodes } from "./codes/circulant.ts";
import { commandCodes } from "./codes/command.ts";
import { fitCodes } from "./codes/fits.ts";
import { gateCodes } from "./codes/gates.ts";
import { levelCodes } from "./codes/levels.ts";
import { onnxCodes } from "./codes/onnx.ts";
import { packingCodes } from "./codes/packing.ts";
import { parameterCodes } from "./codes/parameters.ts";
import { planCodes } from "./codes/plan.ts";
import { pruneCodes } from "./codes/prune.ts";
import { rangeCodes } from "./codes/ranges.ts";
import { runCodes } from "./codes/run.ts";
import { shapeCodes } from "./codes/shapes.ts";
import { skipCodes } from "./codes/skips.ts";
import { syntaxCodes } from "./codes/syntax.ts";
import { trainCodes } from "./codes/train.ts";
import { weightCodes } from "./codes/weights.ts";

/**
 * Every diagnostic of sealwright, by name. Ids are stable and never reused:
 * SW1xx syntax and names, 2xx shapes and ops, 3xx levels and scales, 4xx packing, 5xx parameters,
 * 6xx weight and data files, ONNX models and ranges, 7xx plans, 8xx keys, ciphertexts and running, 9xx the command line.
 */
export const codes = {
  ...syntaxCodes,
  ...shapeCodes,
  ...fitCodes,
  ...skipCodes,
  ...trainCodes,
  ...blindCodes,
  ...pruneCodes,
  ...circulantCodes,
  ...levelCodes,
  ...packingCodes,
  ...parameterCodes,
  ...weightCodes,
  ...onnxCodes,
  ...rangeCodes,
  ...planCodes,
  ...runCodes,
  ...gateCodes,
  ...commandCodes,
} as const;

export type CodeName = keyof typeof codes;
export type ParamsOf<K extends CodeName> = Parameters<(typeof codes)[K]["message"]>[0];

/** The exit codes of the command line, and the kinds of failure of the library. */
export const exit = {
  done: 0,
  usage: 2,
  badInput: 3,
  unsupported: 4,
  limit: 5,
  refused: 6,
  runtime: 7,
  accuracy: 8,
  bug: 70,
} as const;
export type ExitCode = (typeof exit)[keyof typeof exit];
