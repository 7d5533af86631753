import type { KeyGenerator, SecretKey } from "node-seal/allows";
import { fail } from "../base/diagnostic.ts";
import type { ClientView } from "../plan/plan.ts";
import { savedSeededGaloisKeysBytes, savedSeededRelinKeysBytes } from "../scheme/sizes.ts";
import { type Container, type Owner, readContainer, sha256, writeContainer } from "./container.ts";
import type { Context } from "./context.ts";
import {
  type EvaluationKeys,
  galoisSection,
  holdKeys,
  type KeyGroup,
  relinSection,
  sectionsOf,
  stepGroups,
} from "./evaluation-keys.ts";
import { type Handle, requireRandomness } from "./library.ts";
import { refuse, secretKeyMisfit } from "./serialized.ts";

/** What the client's side computes with; plans and client bundles have it. */
export type ClientPlan = Pick<ClientView, "id" | "scheme" | "galoisSteps" | "inputs" | "outputs"> & {
  readonly cost: { readonly totals: { readonly relinearizations: number } };
  /** What the names of its keys begin with in their files; nothing unless it is a stage of a plan with client steps. */
  readonly keySet?: string;
};

/** A client's keys as files. */
export interface KeyFiles {
  readonly secretKey: Uint8Array;
  /** For the server: relinearization and Galois keys. */
  readonly evaluationKeys: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly keyId: string;
}

/** Told of Galois keys that were made: how many. */
export type KeyProgress = (made: number) => void;

/** One set of keys to be made, with parameters of its own. */
export interface KeyRequest {
  readonly context: Context;
  readonly plan: ClientPlan;
}

/** Makes new keys for a plan, as files. */
export function makeKeys(context: Context, plan: ClientPlan, progress?: KeyProgress): KeyFiles {
  return makeKeySets([{ context, plan }], progress);
}

/** Makes several sets of new keys of one plan, as files that hold them all. */
export function makeKeySets(requests: readonly KeyRequest[], progress: KeyProgress = () => {}): KeyFiles {
  const drawn: Drawn[] = [];
  try {
    for (const request of requests) drawn.push(draw(request));
    const owner: Owner = { planId: requests[0]!.plan.id, keyId: keyIdOf(drawn) };
    const file = (kind: "secret-key" | "public-key", name: string, content: (d: Drawn) => Uint8Array) => {
      const sections = drawn.map((d) => ({ name: `${d.plan.keySet ?? ""}${name}`, bytes: content(d).length }));
      return writeContainer(kind, owner, sections, (i) => content(drawn[i]!));
    };
    return {
      secretKey: file("secret-key", "secret", (d) => d.secret),
      publicKey: file("public-key", "public", (d) => d.open),
      evaluationKeys: evaluationKeysFile(drawn, owner, progress),
      keyId: owner.keyId,
    };
  } finally {
    for (const { context, generator } of drawn) context.seal.release(generator);
  }
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
  const drawn = draw({ context, plan });
  const { generator, secret } = drawn;
  return context.seal.guard("making keys", () =>
    context.seal.using(generator, () => {
      const owner: Owner = { planId: plan.id, keyId: keyIdOf([drawn]) };
      const name = `${plan.keySet ?? ""}secret`;
      const relinearization = plan.cost.totals.relinearizations > 0 ? generator.createRelinKeys() : undefined;
      const groups = groupsOf(drawn).map((steps): KeyGroup => {
        const keys = generator.createGaloisKeysWithSteps(Int32Array.from(steps));
        progress(steps.length);
        return { steps, keys };
      });
      return {
        secretKey: writeContainer("secret-key", owner, [{ name, bytes: secret.length }], () => secret),
        evaluation: holdKeys(context, owner.keyId, relinearization, groups),
      };
    }),
  );
}

/** A secret key that was drawn, and what makes the others of it. */
interface Drawn extends KeyRequest {
  readonly generator: KeyGenerator;
  readonly secret: Uint8Array;
  readonly open: Uint8Array;
}

function draw({ context, plan }: KeyRequest): Drawn {
  requireRandomness();
  const { seal, handle } = context;
  const none = seal.api.ComprModeType.none;
  return seal.guard("making keys", () => {
    const generator = new seal.api.KeyGenerator(handle);
    const secret: Uint8Array = seal.using(generator.secretKey(), (key) => key.saveToArray(none));
    const open: Uint8Array = seal.using(generator.createPublicKey(), (key) => key.saveToArray(none));
    return { context, plan, generator, secret, open };
  });
}

/** Keys are named by their public keys. */
function keyIdOf(drawn: readonly Drawn[]): string {
  return Buffer.from(sha256(Buffer.concat(drawn.map(({ open }) => open))))
    .toString("hex")
    .slice(0, 32);
}

function groupsOf({ context: { scheme }, plan }: KeyRequest): number[][] {
  return stepGroups(plan.galoisSteps, scheme.degree, scheme.primes.length);
}

/** Writes one group of Galois keys after the other, so that SEAL never holds more than one. */
function evaluationKeysFile(drawn: readonly Drawn[], owner: Owner, progress: KeyProgress): Uint8Array {
  const parts = drawn.flatMap((set) => {
    const { context, plan, generator } = set;
    const { seal, scheme } = context;
    const { degree } = scheme;
    const primes = scheme.primes.length;
    const none = seal.api.ComprModeType.none;
    const prefix = plan.keySet ?? "";
    const saved = (make: () => Handle & { saveToArray(mode: typeof none): Uint8Array }) =>
      seal.guard("making keys", () => seal.using(make(), (keys) => keys.saveToArray(none)));
    const relinearization = {
      name: `${prefix}${relinSection}`,
      bytes: savedSeededRelinKeysBytes(degree, primes),
      make: () => saved(() => generator.createRelinKeysSerializable()),
    };
    const galois = groupsOf(set).map((steps) => ({
      name: `${prefix}${galoisSection(steps)}`,
      bytes: savedSeededGaloisKeysBytes(degree, primes, steps.length),
      make: () => {
        const bytes = saved(() => generator.createGaloisKeysSerializableWithSteps(Int32Array.from(steps)));
        progress(steps.length);
        return bytes;
      },
    }));
    return plan.cost.totals.relinearizations > 0 ? [relinearization, ...galois] : galois;
  });
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
  const secret = onlySection(sectionsOf(sections, plan.keySet), "secret", what);
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
