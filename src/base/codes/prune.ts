import { code } from "./code.ts";

/** Codes of pruning, SW271 .. SW279. */
export const pruneCodes = {
  "weights-pruned": code<{ network: string; kind: string; percent: number; before: number; after: number }>({
    id: "SW271",
    severity: "warning",
    exit: 8,
    message: (p) =>
      `'${p.network}' no longer computes what it did: ${p.percent} % of the weights became zero in ${p.kind} groups; of ${p.before} rotations at most ${p.after} are left`,
    help: "tune the network with these weights held at zero, or prune it with data: 'sealwright prune --data' refits what is left",
  }),
  "nothing-pruned": code<{ network: string; kind: string; keep: number }>({
    id: "SW272",
    severity: "warning",
    exit: 4,
    message: (p) =>
      `no ${p.kind} group of '${p.network}' can go while about ${Number((100 * p.keep).toPrecision(3))} % of the weights stay`,
    help: "keep less, or ask for another kind of groups; 'sealwright groups' tells how large they are",
  }),
  "cannot-prune": code<{ layer: string; op: string }>({
    id: "SW273",
    severity: "error",
    exit: 4,
    message: (p) => `'${p.layer}' (${p.op}) cannot be pruned: only the weights of conv2d and dense layers can`,
    help: "take @prune off this layer",
  }),
  "nothing-to-prune": code<{ network: string; folded: readonly string[] }>({
    id: "SW274",
    severity: "error",
    exit: 4,
    message: (p) =>
      p.folded.length === 0
        ? `'${p.network}' has no conv2d or dense layer to prune`
        : `'${p.network}' has no layer to prune: ${p.folded.map((name) => `'${name}'`).join(", ")} ${p.folded.length === 1 ? "is" : "are"} folded together with other layers`,
    help: "branches that read the same value and are added up run as one layer; put an activation between, or write one layer",
  }),
  "prune-goal-missed": code<{ network: string; kind: string; what: string; goal: number; least: number }>({
    id: "SW275",
    severity: "error",
    exit: 5,
    message: (p) =>
      `pruning '${p.network}' by ${p.kind} groups leaves ${p.least} ${p.what}, allowed were ${p.goal}: no layer may lose all its weights`,
    help: "allow more, or ask for another kind of groups",
  }),
  "prune-statistics": code<{ layer: string; weight: string; found: string; shape: readonly number[] }>({
    id: "SW276",
    severity: "error",
    exit: 3,
    message: (p) =>
      `the statistics of '${p.weight}', the weight of '${p.layer}', are ${p.found}; needed are [${p.shape.join(", ")}] squared slopes, none of them negative`,
    help: "take the file that 'sealwright tune --statistics' writes for this model, or leave out --statistics",
  }),
} as const;
