import { blockSizes, isBlockSize } from "../src/base/circulant.ts";
import { type Problem, problem } from "../src/base/diagnostic.ts";
import { activationChoice, activationChoices } from "../src/ir/activation-choice.ts";
import type { Annotation } from "../src/ir/graph.ts";
import { type GroupKind, groupKinds } from "../src/ir/weight-groups.ts";

/** What an annotation may say and whom it speaks to. */
export interface AnnotationSpec {
  readonly doc: string;
  /** `weights`: the layers with a weight that the statement makes; `result`: the value the statement names. */
  readonly on: "weights" | "result";
  /** How many arguments without a name it takes. */
  readonly positional: number;
  readonly named: readonly string[];
  /** What is wrong with the arguments, for annotations whose arguments mean the same to every pass. */
  readonly check?: (annotation: Annotation) => Problem | undefined;
}

/** Every annotation, by name. What their arguments mean is up to the pass they speak to. */
export const annotationSpecs: ReadonlyMap<string, AnnotationSpec> = new Map<string, AnnotationSpec>([
  [
    "prune",
    {
      doc: "Make weights zero so that rotations fall away: which groups of them, and the share of the weights to keep.",
      on: "weights",
      positional: 1,
      named: ["keep"],
      check: ({ positional: [kind = "aligned"], named: { keep = 0.5 } }) =>
        groupKinds.includes(kind as GroupKind) && typeof keep === "number" && keep > 0 && keep <= 1
          ? undefined
          : problem("bad-setting", {
              key: "@prune",
              found: `${kind}, keep = ${keep}`,
              allowed: `one of ${groupKinds.join(", ")}, keep = a share above 0 and at most 1`,
            }),
    },
  ],
  [
    "circulant",
    {
      doc: "Make the weight block-circulant, with blocks of so many channels.",
      on: "weights",
      positional: 0,
      named: ["block"],
      check: ({ named: { block } }) =>
        isBlockSize(block)
          ? undefined
          : problem("bad-setting", {
              key: "@circulant",
              found: block === undefined ? "without a block" : `block = ${block}`,
              allowed: blockSizes.join(", "),
            }),
    },
  ],
  [
    "range",
    {
      doc: "Values go from the first number to the second: those of the operand of an activation, of any other layer its own.",
      on: "result",
      positional: 2,
      named: [],
      check: ({ positional: [low, high] }) => {
        const isRange =
          typeof low === "number" && typeof high === "number" && low < high && Number.isFinite(high - low);
        return isRange
          ? undefined
          : problem("bad-range", { found: [low, high].filter((v) => v !== undefined).join(", ") });
      },
    },
  ],
  [
    "activation",
    {
      doc: "What to do about this activation: client, polynomial with or without a degree, or auto.",
      on: "result",
      positional: 1,
      named: ["degree"],
      check: ({ positional: [kind], named: { degree } }) =>
        activationChoice(kind, degree) === undefined
          ? problem("bad-setting", {
              key: "@activation",
              found: degree === undefined ? `${kind}` : `${kind}, degree = ${degree}`,
              allowed: activationChoices,
            })
          : undefined,
    },
  ],
  [
    "again",
    {
      doc: "This input is another sending of the one with that name: the same value, encrypted once more.",
      on: "result",
      positional: 1,
      named: [],
    },
  ],
  ["layout", { doc: "Lay the value out like this.", on: "result", positional: 1, named: [] }],
  [
    "packing",
    {
      doc: "Ways of saving rotations that this layer may use; all of them when nothing is said.",
      on: "result",
      positional: 0,
      named: ["mixing", "complex", "windows", "client", "spectral"],
    },
  ],
  [
    "fit",
    {
      doc: "The activation that a polynomial stands for, and how far it is off.",
      on: "result",
      positional: 1,
      named: ["degree", "max", "origin", "range", "rms"],
    },
  ],
  [
    "plan",
    {
      doc: "The rotations a packed layer is computed with.",
      on: "result",
      positional: 0,
      named: ["operands", "giants", "folds", "pairs", "spectral"],
    },
  ],
]);
