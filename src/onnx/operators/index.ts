import type { Operator } from "../operator.ts";
import { activationOperators } from "./activations.ts";
import { arithmeticOperators } from "./arithmetic.ts";
import { axisActivationOperators } from "./axis-activations.ts";
import { blockOperators } from "./blocks.ts";
import { castOperators } from "./cast.ts";
import { constantOperators } from "./constants.ts";
import { convOperators } from "./conv.ts";
import { dropoutOperators } from "./dropout.ts";
import { gatherOperators } from "./gather.ts";
import { knownValueOperators } from "./known-values.ts";
import { limitOperators } from "./limits.ts";
import { matrixOperators } from "./matmul.ts";
import { normalizeOperators } from "./normalize.ts";
import { padOperators } from "./pad.ts";
import { poolOperators } from "./pool.ts";
import { powerOperators } from "./power.ts";
import { preluOperators } from "./prelu.ts";
import { reduceOperators } from "./reduce.ts";
import { repeatOperators } from "./repeat.ts";
import { resizeOperators } from "./resize.ts";
import { selectOperators } from "./select.ts";
import { shapeOperators } from "./shape.ts";
import { whereOperators } from "./where.ts";

const families: readonly (readonly Operator[])[] = [
  activationOperators,
  arithmeticOperators,
  axisActivationOperators,
  blockOperators,
  castOperators,
  constantOperators,
  convOperators,
  dropoutOperators,
  gatherOperators,
  knownValueOperators,
  limitOperators,
  matrixOperators,
  normalizeOperators,
  padOperators,
  poolOperators,
  powerOperators,
  preluOperators,
  reduceOperators,
  repeatOperators,
  resizeOperators,
  selectOperators,
  shapeOperators,
  whereOperators,
];

/** Every operator there is support for, by name. */
export const operators: ReadonlyMap<string, Operator> = new Map(
  families.flat().map((operator) => [operator.name, operator]),
);
