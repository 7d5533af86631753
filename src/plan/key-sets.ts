import type { Scheme } from "../scheme/parameters.ts";
import type { ClientView } from "./plan.ts";

/** A server plan of several, with the keys that all of equal parameters share. */
export type Stage<S> = S & {
  /** What the names of its keys begin with in files that hold those of several sets; empty in those of a single plan. */
  readonly keySet: string;
  /** Which of the rotation steps of its set it needs itself. */
  readonly uses: readonly number[];
};

type Keyed = Pick<ClientView, "id" | "scheme" | "galoisSteps"> & {
  readonly cost: { readonly totals: { readonly relinearizations: number } };
};

/**
 * The server plans of a plan with client steps, by round, as keys and messages see them: they carry the id of the whole, and
 * those of equal parameters need the same keys, the union of what each needs. A secret key serves one set of parameters only:
 * what is known of the hardness of several rings together is less than of each alone, and keys of another ring save nothing.
 */
export function stagesOf<S extends Keyed>({
  id,
  rounds,
}: {
  readonly id: string;
  readonly rounds: readonly { readonly server: S | undefined }[];
}): (Stage<S> | undefined)[] {
  const sets = new Map<string, { readonly keySet: string; readonly steps: Set<number>; relinearizations: number }>();
  for (const { server } of rounds) {
    if (server === undefined) continue;
    const name = parametersOf(server.scheme);
    const set = sets.get(name) ?? { keySet: `${sets.size + 1}/`, steps: new Set(), relinearizations: 0 };
    for (const step of server.galoisSteps) set.steps.add(step);
    set.relinearizations += server.cost.totals.relinearizations;
    sets.set(name, set);
  }
  return rounds.map(({ server }) => {
    if (server === undefined) return undefined;
    const { keySet, steps, relinearizations } = sets.get(parametersOf(server.scheme))!;
    const cost = { ...server.cost, totals: { ...server.cost.totals, relinearizations } };
    return { ...server, id, keySet, uses: server.galoisSteps, galoisSteps: [...steps].sort((a, b) => a - b), cost };
  });
}

/** One stage of each set of keys. */
export function keySetsOf<S>(stages: readonly (Stage<S> | undefined)[]): Stage<S>[] {
  const first = new Map<string, Stage<S>>();
  for (const stage of stages) if (stage !== undefined && !first.has(stage.keySet)) first.set(stage.keySet, stage);
  return [...first.values()];
}

/** Equal for equal parameters. */
export function parametersOf({ degree, primes, specialPrime, scaleBits, security }: Scheme): string {
  return [degree, ...primes, specialPrime, scaleBits, security].join(" ");
}
