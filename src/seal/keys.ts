import type { KeyGenerator, SecretKey } from "node-seal/allows";
import { fail } from "../base/diagnostic.ts";
import type { ClientView } from "../plan/plan.ts";
import { savedSeededGaloisKeysBytes, savedSeededRelinKeysBytes } from "../scheme/sizes.ts";
import { type Container, type Owner, readContainer, sha256, writeContainer } from "./container.ts";
import type { Context } from "./context.ts";
import { type EvaluationKeys, galoisSection, holdKeys, relinSection, stepGroups } from "./evaluation-keys.ts";
import { type Handle, requireRandomness } from "./library.ts";
import { refuse, secretKeyMisfit } from "./serialized.ts";

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

/** How many of how many Galois keys are made. */
export type KeyProgress = (done: number, total: number) => void;

/** Makes new keys for a plan, as files. */
export function makeKeys(context: Context, plan: ClientPlan, progress: KeyProgress = () => {}): KeyFiles {
  return generate(context, plan, (generator, owner, { secretKey, publicKey }) => {
    const evaluationKeys = evaluationKeysFile(context, plan, generator, owner, progress);
    return { secretKey, publicKey, evaluationKeys, keyId: owner.keyId };
  });
}

/**
 * Makes new keys for a plan whose server is in the same process. Its keys never become bytes: reading seeded ones back
 * takes as long as making them.
 */
export function makeSessionKeys(
  context: Context,
  plan: ClientPlan,
  progress: KeyProgress = () => {},
): { readonly secretKey: Uint8Array; readonly evaluation: EvaluationKeys } {
  return generate(context, plan, (generator, { keyId }, { secretKey }) => {
    const relinearization = plan.cost.totals.relinearizations > 0 ? generator.createRelinKeys() : undefined;
    const groups = eachGroup(context, plan, progress, (steps) => {
      return { steps, keys: generator.createGaloisKeysWithSteps(Int32Array.from(steps)) };
    });
    return {
      secretKey,
      evaluation: holdKeys(
        context,
        keyId,
        relinearization,
        groups.map((group) => group.make()),
      ),
    };
  });
}

type SmallFiles = Pick<KeyFiles, "secretKey" | "publicKey">;

/** Draws a secret key, and names it by its public key. */
function generate<T>(
  context: Context,
  plan: ClientPlan,
  use: (generator: KeyGenerator, owner: Owner, files: SmallFiles) => T,
): T {
  requireRandomness();
  const { seal, handle } = context;
  const none = seal.api.ComprModeType.none;
  return seal.guard("making keys", () =>
    seal.using(new seal.api.KeyGenerator(handle), (generator) => {
      const secret: Uint8Array = seal.using(generator.secretKey(), (key) => key.saveToArray(none));
      const open: Uint8Array = seal.using(generator.createPublicKey(), (key) => key.saveToArray(none));
      const owner: Owner = { planId: plan.id, keyId: Buffer.from(sha256(open)).toString("hex").slice(0, 32) };
      const file = (name: string, kind: "secret-key" | "public-key", bytes: Uint8Array) =>
        writeContainer(kind, owner, [{ name, bytes: bytes.length }], () => bytes);
      return use(generator, owner, {
        secretKey: file("secret", "secret-key", secret),
        publicKey: file("public", "public-key", open),
      });
    }),
  );
}

/** What is to be made of each group of rotation steps, one after another. */
function eachGroup<T>(
  { scheme }: Context,
  { galoisSteps }: ClientPlan,
  progress: KeyProgress,
  make: (steps: readonly number[]) => T,
): { readonly steps: readonly number[]; make(): T }[] {
  let done = 0;
  progress(done, galoisSteps.length);
  return stepGroups(galoisSteps, scheme.degree, scheme.primes.length).map((steps) => ({
    steps,
    make: () => {
      const made = make(steps);
      done += steps.length;
      progress(done, galoisSteps.length);
      return made;
    },
  }));
}

/** Writes one group of Galois keys after the other, so that SEAL never holds more than one. */
function evaluationKeysFile(
  context: Context,
  plan: ClientPlan,
  generator: KeyGenerator,
  owner: Owner,
  progress: KeyProgress,
): Uint8Array {
  const { seal, scheme } = context;
  const none = seal.api.ComprModeType.none;
  const primes = scheme.primes.length;
  const save = (keys: Handle & { saveToArray(mode: typeof none): Uint8Array }) =>
    seal.using(keys, (k) => k.saveToArray(none));
  const groups = eachGroup(context, plan, progress, (steps) =>
    save(generator.createGaloisKeysSerializableWithSteps(Int32Array.from(steps))),
  );
  const parts = groups.map(({ steps, make }) => {
    return { name: galoisSection(steps), bytes: savedSeededGaloisKeysBytes(scheme.degree, primes, steps.length), make };
  });
  if (plan.cost.totals.relinearizations > 0) {
    const bytes = savedSeededRelinKeysBytes(scheme.degree, primes);
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

function onlySection(sections: Container["sections"], name: string, what: string): Uint8Array {
  const section = sections.get(name);
  const found = [...sections.keys()].map((k) => JSON.stringify(k)).join(", ") || "no section";
  if (section === undefined || sections.size !== 1)
    fail("sections-differ", "nowhere", { what, found, needed: `'${name}' only` });
  return section;
}
