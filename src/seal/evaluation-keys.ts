import type { GaloisKeys, RelinKeys } from "node-seal/allows";
import { fail, invariant } from "../base/diagnostic.ts";
import type { Plan } from "../plan/plan.ts";
import type { Scheme } from "../scheme/parameters.ts";
import { savedSeededGaloisKeysBytes } from "../scheme/sizes.ts";
import { type Container, readContainer } from "./container.ts";
import type { Context } from "./context.ts";
import { galoisIndex, keySetMisfit, refuse } from "./serialized.ts";

/** Above this size of a group's serialized keys a new group begins. */
const groupBytes = 2 ** 25;

/** The server's keys, ready for use. */
export interface EvaluationKeys {
  readonly keyId: string;
  readonly relinearization: RelinKeys | undefined;
  /** The object that holds the key of a rotation, or of the conjugation, which is step 0. */
  galois(steps: number): GaloisKeys;
  dispose(): void;
}

/** Galois keys of some rotation steps, 0 being the conjugation, in one object of SEAL's. */
export interface KeyGroup {
  readonly steps: readonly number[];
  readonly keys: GaloisKeys;
}

/** Keys that are in SEAL's heap; disposing of the result deletes them. */
export function holdKeys(
  { seal, scheme }: Context,
  keyId: string,
  relinearization: RelinKeys | undefined,
  groups: readonly KeyGroup[],
): EvaluationKeys {
  const residue = residueOf(scheme);
  const byStep = new Map(groups.flatMap(({ steps, keys }) => steps.map((s) => [residue(s), keys] as const)));
  return {
    keyId,
    relinearization,
    galois(steps) {
      const keys = byStep.get(residue(steps));
      invariant(keys !== undefined, `switches keys for step ${steps}, for which there is no Galois key`);
      return keys;
    },
    dispose: () => seal.release(relinearization, ...groups.map((group) => group.keys)),
  };
}

/** What the keys of a plan depend on. */
export type KeyedPlan = Pick<Plan, "id" | "scheme" | "galoisSteps"> & {
  readonly keySet?: string;
  readonly uses?: readonly number[];
};

/** Reads the evaluation keys that a plan uses. Throws a SealwrightError unless each key that it declares is there. */
export function loadEvaluationKeys(
  context: Context,
  plan: KeyedPlan,
  bytes: Uint8Array,
  relinearizes: boolean,
): EvaluationKeys {
  const what = "the evaluation keys";
  const { seal, handle, scheme, keyLevel } = context;
  const { degree } = scheme;
  const { keyId, sections: all } = readContainer(bytes, { what, kind: "evaluation-keys", planId: plan.id });
  const sections = sectionsOf(all, plan.keySet);
  const residue = residueOf(scheme);
  const groups = new Map<string, readonly number[]>();
  for (const name of sections.keys()) {
    const steps = stepsOfSection(name, degree);
    if (steps === undefined && name !== relinSection)
      fail("sections-differ", "nowhere", {
        what,
        found: `a section ${JSON.stringify(name)}`,
        needed: "key sections only",
      });
    if (steps !== undefined) groups.set(name, steps);
  }
  const present = new Set([...groups.values()].flat().map(residue));
  const missing = plan.galoisSteps.filter((s) => !present.has(residue(s)));
  if (missing.length > 0) fail("missing-galois-keys", "nowhere", { what, steps: missing });
  // The memory was reckoned without further keys.
  const declared = new Set(plan.galoisSteps.map(residue));
  const surplus = [...groups.values()].flat().filter((s) => !declared.has(residue(s)));
  if (surplus.length > 0 || present.size < [...groups.values()].flat().length) {
    fail("sections-differ", "nowhere", {
      what,
      found: "other or doubled keys",
      needed: `those of ${declared.size} rotation steps`,
    });
  }
  const used = new Set((plan.uses ?? plan.galoisSteps).map(residue));
  for (const [name, steps] of groups) if (!steps.some((s) => used.has(residue(s)))) groups.delete(name);
  const [most, found] = [groupsUsed(plan), [...groups.values()]].map((list) => list.flat().length);
  if (found! > most!) {
    const needed = `${most} keys in the sections of those that are used`;
    fail("sections-differ", "nowhere", { what, found: `${found} keys there`, needed });
  }
  const relin = relinearizes ? sections.get(relinSection) : undefined;
  if (relinearizes && relin === undefined)
    fail("sections-differ", "nowhere", { what, found: "no relinearization key", needed: "one" });

  const loaded = <K extends GaloisKeys | RelinKeys>(keys: K, section: Uint8Array): K => {
    keys.loadFromArray(handle, section);
    return keys;
  };
  const form = { parmsId: keyLevel, scheme };
  if (relin !== undefined)
    refuse(keySetMisfit(relin, { ...form, room: 1, indices: new Set([0]) }), what, "the relinearization key");
  for (const [name, steps] of groups) {
    const indices = new Set(steps.map((s) => galoisIndex(s, degree)));
    refuse(keySetMisfit(sections.get(name)!, { ...form, room: degree, indices }), what, `'${name}'`);
  }
  const relinearization =
    relin && seal.guard("loading the relinearization key", () => loaded(new seal.api.RelinKeys(), relin));
  const held = [...groups].map(([name, steps]) => ({
    steps,
    keys: seal.guard("loading Galois keys", () => loaded(new seal.api.GaloisKeys(), sections.get(name)!)),
  }));
  return holdKeys(context, keyId, relinearization, held);
}

/** The sections of one set of keys. A file of a plan with client steps holds several, told apart by what their names begin with. */
export function sectionsOf(sections: Container["sections"], keySet = ""): Container["sections"] {
  const own = [...sections].filter(([name]) => name.startsWith(keySet));
  return new Map(own.map(([name, bytes]) => [name.slice(keySet.length), bytes]));
}

/** Steps modulo the number of slots: a rotation can be written in two ways. The one by nothing is not done, 0 is free. */
function residueOf({ degree }: Scheme): (steps: number) => number {
  return (steps) => ((steps % (degree / 2)) + degree / 2) % (degree / 2);
}

/** The groups of a plan's Galois keys that are read since it uses one of them. */
export function groupsUsed({ scheme, galoisSteps, uses = galoisSteps }: KeyedPlan): number[][] {
  const groups = stepGroups(galoisSteps, scheme.degree, scheme.primes.length);
  return groups.filter((steps) => steps.some((s) => uses.includes(s)));
}

/** Rotation steps that share one object of keys. */
export function stepGroups(steps: readonly number[], degree: number, primes: number): number[][] {
  const keyBytes = savedSeededGaloisKeysBytes(degree, primes, 1) - savedSeededGaloisKeysBytes(degree, primes, 0);
  const size = Math.max(1, Math.floor(groupBytes / keyBytes));
  return Array.from({ length: Math.ceil(steps.length / size) }, (_, i) => steps.slice(i * size, (i + 1) * size));
}

export const relinSection = "relinearization";

/** The section of a group of Galois keys. */
export function galoisSection(steps: readonly number[]): string {
  return `galois ${steps.join(" ")}`;
}

function stepsOfSection(name: string, degree: number): number[] | undefined {
  if (!name.startsWith("galois ")) return undefined;
  const steps = name.slice("galois ".length).split(" ").map(Number);
  const good = steps.every((s) => Number.isInteger(s) && Math.abs(s) < degree / 2);
  return good && galoisSection(steps) === name ? steps : undefined;
}
