import type { GaloisKeys, KeyGenerator, RelinKeys, SecretKey } from "node-seal";
import { fail, invariant } from "../base/diagnostic.ts";
import type { ClientView, Plan } from "../plan/plan.ts";
import { savedSeededGaloisKeysBytes, savedSeededRelinKeysBytes } from "../scheme/sizes.ts";
import { type Container, type Owner, readContainer, sha256, writeContainer } from "./container.ts";
import type { Context } from "./context.ts";
import { type Handle, requireRandomness } from "./library.ts";
import { galoisIndex, keySetMisfit, type Misfit, secretKeyMisfit } from "./serialized.ts";

/** What the client's side computes with; plans and client bundles have it. */
export type ClientPlan = Pick<ClientView, "id" | "scheme" | "galoisSteps" | "inputs" | "outputs"> & {
  readonly cost: { readonly totals: { readonly relinearizations: number } };
};

/** A client's keys as files. */
export interface KeyFiles {
  readonly secretKey: Uint8Array;
  /** For the server: relinearization and Galois keys. */
  readonly evaluationKeys: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly keyId: string;
}

/** Above this size of a group's serialized keys a new group begins. */
const groupBytes = 2 ** 25;

/** Makes new keys for a plan. `progress` hears how many of how many Galois keys are done. */
export function makeKeys(
  context: Context,
  plan: ClientPlan,
  progress: (done: number, total: number) => void = () => {},
): KeyFiles {
  requireRandomness();
  const { seal, handle, scheme } = context;
  const none = seal.api.ComprModeType.none;
  return seal.guard("making keys", () =>
    seal.using(new seal.api.KeyGenerator(handle), (generator) => {
      const secret: Uint8Array = seal.using(generator.secretKey(), (key) => key.saveToArray(none));
      const open: Uint8Array = seal.using(generator.createPublicKey(), (key) => key.saveToArray(none));
      const keyId = Buffer.from(sha256(open)).toString("hex").slice(0, 32);
      const owner: Owner = { planId: plan.id, keyId };
      const single = (name: string, kind: "secret-key" | "public-key", bytes: Uint8Array) =>
        writeContainer(kind, owner, [{ name, bytes: bytes.length }], () => bytes);
      const groups = stepGroups(plan.galoisSteps, scheme.degree, scheme.primes.length);
      return {
        secretKey: single("secret", "secret-key", secret),
        publicKey: single("public", "public-key", open),
        evaluationKeys: evaluationKeysFile(
          context,
          generator,
          owner,
          groups,
          plan.cost.totals.relinearizations > 0,
          progress,
        ),
        keyId,
      };
    }),
  );
}

/** Writes one group of Galois keys after the other, so that SEAL never holds more than one. */
function evaluationKeysFile(
  { seal, scheme }: Context,
  generator: KeyGenerator,
  owner: Owner,
  groups: readonly (readonly number[])[],
  relinearization: boolean,
  progress: (done: number, total: number) => void,
): Uint8Array {
  const none = seal.api.ComprModeType.none;
  const { degree, primes } = scheme;
  const total = groups.reduce((sum, group) => sum + group.length, 0);
  let done = 0;
  progress(0, total);
  const save = (keys: Handle & { saveToArray(mode: typeof none): Uint8Array }) =>
    seal.using(keys, (k) => k.saveToArray(none));
  const parts = groups.map((steps) => ({
    name: galoisSection(steps),
    bytes: savedSeededGaloisKeysBytes(degree, primes.length, steps.length),
    make: () => {
      const bytes = save(generator.createGaloisKeysSerializableWithSteps(Int32Array.from(steps)));
      done += steps.length;
      progress(done, total);
      return bytes;
    },
  }));
  if (relinearization) {
    const bytes = savedSeededRelinKeysBytes(degree, primes.length);
    parts.unshift({ name: relinSection, bytes, make: () => save(generator.createRelinKeysSerializable()) });
  }
  return writeContainer("evaluation-keys", owner, parts, (i) => parts[i]!.make());
}

/** Reads the secret key of a plan. The caller disposes of it. */
export function loadSecretKey(
  context: Context,
  plan: ClientPlan,
  bytes: Uint8Array,
): { readonly keyId: string; readonly key: SecretKey } {
  const what = "the secret key";
  const { keyId, sections } = readContainer(bytes, { what, kind: "secret-key", planId: plan.id });
  const secret = onlySection(sections, "secret", what);
  const { seal, handle, scheme, keyLevel } = context;
  const primes = [...scheme.primes, scheme.specialPrime];
  refuse(secretKeyMisfit(secret, { parmsId: keyLevel, degree: scheme.degree, primes }), what, "the key");
  return seal.guard("loading the secret key", () => {
    const key = new seal.api.SecretKey();
    key.loadFromArray(handle, secret);
    return { keyId, key };
  });
}

/** The server's keys, ready for use. */
export interface EvaluationKeys {
  readonly keyId: string;
  readonly relinearization: RelinKeys | undefined;
  /** The object that holds the key of a rotation. */
  galois(steps: number): GaloisKeys;
  dispose(): void;
}

/** Reads the evaluation keys of a plan. Throws a SealwrightError unless each key that the plan declares is there. */
export function loadEvaluationKeys(
  context: Context,
  plan: Pick<Plan, "id" | "galoisSteps">,
  bytes: Uint8Array,
  relinearizes: boolean,
): EvaluationKeys {
  const what = "the evaluation keys";
  const { seal, handle, scheme, keyLevel } = context;
  const { degree } = scheme;
  const { keyId, sections } = readContainer(bytes, { what, kind: "evaluation-keys", planId: plan.id });
  const residue = (steps: number) => ((steps % (degree / 2)) + degree / 2) % (degree / 2);
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
  const relin = sections.get(relinSection);
  if (relinearizes && relin === undefined)
    fail("sections-differ", "nowhere", { what, found: "no relinearization key", needed: "one" });

  const form = { parmsId: keyLevel, scheme };
  if (relin !== undefined)
    refuse(keySetMisfit(relin, { ...form, room: 1, indices: new Set([0]) }), what, "the relinearization key");
  for (const [name, steps] of groups) {
    const indices = new Set(steps.map((s) => galoisIndex(s, degree)));
    refuse(keySetMisfit(sections.get(name)!, { ...form, room: degree, indices }), what, `'${name}'`);
  }
  const held: Handle[] = [];
  const byStep = new Map<number, GaloisKeys>();
  const load = <K extends GaloisKeys | RelinKeys>(keys: K, section: Uint8Array): K => {
    held.push(keys);
    keys.loadFromArray(handle, section);
    return keys;
  };
  const relinearization =
    relin && seal.guard("loading the relinearization key", () => load(new seal.api.RelinKeys(), relin));
  for (const [name, steps] of groups) {
    const keys = seal.guard("loading Galois keys", () => load(new seal.api.GaloisKeys(), sections.get(name)!));
    for (const s of steps) byStep.set(residue(s), keys);
  }
  return {
    keyId,
    relinearization,
    galois(steps) {
      const keys = byStep.get(residue(steps));
      invariant(keys !== undefined, `rotates by ${steps}, for which there is no Galois key`);
      return keys;
    },
    dispose: () => seal.release(...held.splice(0)),
  };
}

/** Rotation steps that share one object of keys. */
export function stepGroups(steps: readonly number[], degree: number, primes: number): number[][] {
  const keyBytes = savedSeededGaloisKeysBytes(degree, primes, 1) - savedSeededGaloisKeysBytes(degree, primes, 0);
  const size = Math.max(1, Math.floor(groupBytes / keyBytes));
  return Array.from({ length: Math.ceil(steps.length / size) }, (_, i) => steps.slice(i * size, (i + 1) * size));
}

const relinSection = "relinearization";

function galoisSection(steps: readonly number[]): string {
  return `galois ${steps.join(" ")}`;
}

function stepsOfSection(name: string, degree: number): number[] | undefined {
  if (!name.startsWith("galois ")) return undefined;
  const steps = name.slice("galois ".length).split(" ").map(Number);
  const good = steps.every((s) => Number.isInteger(s) && s !== 0 && Math.abs(s) < degree / 2);
  return good && galoisSection(steps) === name ? steps : undefined;
}

function onlySection(sections: Container["sections"], name: string, what: string): Uint8Array {
  const section = sections.get(name);
  const found = [...sections.keys()].map((k) => JSON.stringify(k)).join(", ") || "no section";
  if (section === undefined || sections.size !== 1)
    fail("sections-differ", "nowhere", { what, found, needed: `'${name}' only` });
  return section;
}

/** Stops when an object is not what the plan declares. */
export function refuse(misfit: Misfit | undefined, what: string, part: string): void {
  if (misfit !== undefined) fail("seal-object-invalid", "nowhere", { what, part, ...misfit });
}
