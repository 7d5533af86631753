import type {
  CKKSEncoder,
  EncryptionParameters,
  Evaluator,
  SEALContext,
  ParmsIdType as SealParmsId,
  SecLevelType,
} from "node-seal/allows";
import { fail, invariant } from "../base/diagnostic.ts";
import { type Scheme, topLevel } from "../scheme/parameters.ts";
import { bitLength } from "../scheme/primes.ts";
import { type PlaintextEncoder, plaintextEncoder } from "./encoder.ts";
import { requireRandomness, type Seal } from "./library.ts";

/** How SEAL names a set of primes: in its heap, and as the 32 bytes that serialized objects begin with. */
export interface ParmsId {
  readonly handle: SealParmsId;
  readonly bytes: Uint8Array;
}

/** A scheme as SEAL works with it. Making one takes 0.1 s (N = 4096) to 16 s (N = 32768); it serves any number of plans. */
export interface Context {
  readonly seal: Seal;
  readonly scheme: Scheme;
  readonly handle: SEALContext;
  /** By level. */
  readonly levels: readonly ParmsId[];
  /** That of keys: all primes, the special one included. */
  readonly keyLevel: ParmsId;
  /** SEAL's own, used to decode. */
  readonly encoder: CKKSEncoder;
  readonly plaintexts: PlaintextEncoder;
  readonly evaluator: Evaluator;
  dispose(): void;
}

export interface ContextOptions {
  /** Accepts a scheme that claims no security. Default false. */
  readonly allowInsecure?: boolean;
}

/** Opens a scheme with exactly its primes. Throws a SealwrightError when it claims no security unasked or SEAL refuses it. */
export function openContext(seal: Seal, scheme: Scheme, { allowInsecure = false }: ContextOptions = {}): Context {
  if (scheme.security === 0 && !allowInsecure) fail("insecure-scheme", "nowhere", {});
  // SEAL draws numbers as soon as it tests its primes, and says only that something went wrong.
  requireRandomness();
  const handle = seal.guard("making the context", () => newContext(seal, scheme));
  if (!seal.guard("checking the context", () => handle.parametersSet())) {
    seal.release(handle);
    const primeBits = [...scheme.primes, scheme.specialPrime].map(bitLength);
    fail("scheme-refused", "nowhere", { degree: scheme.degree, primeBits, security: scheme.security });
  }
  return seal.guard("preparing the context", () => {
    const levels = levelsOf(handle, topLevel(scheme));
    const keyLevel = parmsIdOf(handle.keyParmsId());
    const encoder = new seal.api.CKKSEncoder(handle);
    const plaintexts = plaintextEncoder(scheme, levels);
    const evaluator = new seal.api.Evaluator(handle);
    const dispose = () => seal.release(evaluator, encoder, keyLevel.handle, ...levels.map((l) => l.handle), handle);
    return { seal, scheme, handle, levels, keyLevel, encoder, plaintexts, evaluator, dispose };
  });
}

function newContext(seal: Seal, scheme: Scheme): SEALContext {
  const { api } = seal;
  return seal.using(new api.EncryptionParameters(api.SchemeType.ckks), (parameters) => {
    parameters.setPolyModulusDegree(scheme.degree);
    setPrimes(seal, parameters, [...scheme.primes, scheme.specialPrime]);
    return new api.SEALContext(parameters, true, securityOf(seal, scheme));
  });
}

function setPrimes(seal: Seal, parameters: EncryptionParameters, primes: readonly bigint[]): void {
  seal.using(new seal.api.VectorModulus(), (vector) => {
    for (const prime of primes) seal.using(new seal.api.Modulus(prime), (modulus) => vector.push_back(modulus));
    parameters.setCoeffModulus(vector);
  });
}

function securityOf({ api }: Seal, { security }: Scheme): SecLevelType {
  const { none, tc128, tc192, tc256 } = api.SecLevelType;
  const level = new Map<number, SecLevelType>([
    [0, none],
    [128, tc128],
    [192, tc192],
    [256, tc256],
  ]).get(security);
  invariant(level !== undefined, `a scheme of ${security}-bit security`);
  return level;
}

/** Walks the chain from the top. It ends by the index: what follows the last context is a dummy, not null. */
function levelsOf(handle: SEALContext, top: number): ParmsId[] {
  const levels = new Array<ParmsId>(top + 1);
  for (let data = handle.firstContextData(), level = top; level >= 0; level--) {
    invariant(data.chainIndex() === level, `SEAL's chain has index ${data.chainIndex()} at level ${level}`);
    levels[level] = parmsIdOf(data.parmsId());
    const next = data.nextContextData();
    data.delete();
    data = next;
    if (level === 0) data.delete();
  }
  return levels;
}

function parmsIdOf(handle: SealParmsId): ParmsId {
  const words: BigUint64Array = handle.values();
  return { handle, bytes: new Uint8Array(words.slice().buffer) };
}
