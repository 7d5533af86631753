import type { Ciphertext, Plaintext } from "node-seal/allows";
import { invariant } from "../base/diagnostic.ts";
import type { NodeId } from "../ir/graph.ts";
import type { HeMachine } from "../plan/machine.ts";
import { type PlaintextCache, PlaintextStore } from "../plan/plaintexts.ts";
import { canonicalScales, levelModuli } from "../scheme/parameters.ts";
import { type PlainStanding, Rules, type Standing } from "../scheme/rules.ts";
import { savedPlaintextBytes } from "../scheme/sizes.ts";
import type { Context } from "./context.ts";
import { checkEncodable, reducedExponent } from "./encoder.ts";
import type { EvaluationKeys } from "./evaluation-keys.ts";
import { randomPolynomials } from "./mask.ts";
import { type Register, RegisterFile } from "./registers.ts";
import { constantPlaintext } from "./serialized.ts";

/** A ciphertext in a register. */
export interface SealCipher extends Standing {
  readonly register: Register<Ciphertext>;
}

/**
 * A plaintext: an object in SEAL's heap, or its serialized bytes outside. Loading those into a scratch object takes a
 * twentieth of the product they are needed for, and they do not count against the heap's 4 GiB.
 */
export interface SealPlain extends PlainStanding {
  object: Plaintext | undefined;
  bytes: Uint8Array | undefined;
}

export interface SealEvaluator extends HeMachine<SealCipher, SealPlain> {
  /** Makes a ciphertext of bytes that were checked to be one of this level, at its canonical scale. */
  load(bytes: Uint8Array, level: number): SealCipher;
  save(x: SealCipher): Uint8Array;
  /** Moves a plaintext out of SEAL's heap. */
  moveOut(p: SealPlain): void;
  /** Ciphertexts made and not freed. */
  live(): number;
  /** Room of all ciphertext registers, in polynomials of N words. */
  registerCapacity(): number;
  dispose(): void;
}

/** Two scales closer than this are one that was rounded on different ways; the error is far below all others. */
const scaleTolerance = 1e-12;

/**
 * SEAL's evaluator as a machine. What SEAL would refuse is checked before it is asked, with the same rules that the
 * simulator has: its messages name neither op nor levels.
 */
export function sealEvaluator(context: Context, keys: EvaluationKeys, galoisSteps: readonly number[]): SealEvaluator {
  const { seal, handle, scheme, levels, evaluator } = context;
  const { api } = seal;
  const rules = new Rules(scheme, galoisSteps);
  const scales = canonicalScales(scheme);
  const moduli = levelModuli(scheme);
  const none = api.ComprModeType.none;
  const registers = new RegisterFile(() => new api.Ciphertext());
  /** Loading gives an object memory of exactly the loaded size, so these are kept apart. */
  const loaded: Ciphertext[] = [];
  const fromOutside = new Set<SealCipher>();
  const live = new Set<SealCipher>();
  const plaintexts = levels.map((): Plaintext[] => []);
  /** By level: the object that bytes are loaded into, and whose bytes are in it. */
  const scratch = levels.map((): { object: Plaintext | undefined; holds: SealPlain | undefined } => ({
    object: undefined,
    holds: undefined,
  }));
  /** By level: monomials in the heap, by exponent modulo 2N. */
  const monomials = levels.map(() => new Map<number, Plaintext>());

  let maskPlain: Plaintext | undefined;

  const object = (x: SealCipher): Ciphertext => {
    invariant(live.has(x), "uses a ciphertext after it was freed");
    return x.register.object;
  };

  /** Runs one op into a register. `room` polynomials are needed on the way to the result. */
  const make = (where: string, standing: Standing, room: number, run: (to: Ciphertext) => void): SealCipher => {
    const register = seal.guard(where, () => registers.take(room));
    try {
      return seal.guard(where, () => {
        run(register.object);
        const result = snapped(register, standing);
        live.add(result);
        return result;
      });
    } catch (error) {
      if (seal.lost === undefined) registers.give(register);
      throw error;
    }
  };
  const roomOf = ({ size, level }: Standing): number => size * (level + 1);
  const snapped = (register: Register<Ciphertext>, { level, scale, size }: Standing): SealCipher => {
    const found = register.object.scale();
    invariant(found === scale, `SEAL made the scale ${found}, not ${scale}`);
    const canonical = scales[level]!;
    if (scale === canonical || Math.abs(scale / canonical - 1) > scaleTolerance)
      return { level, scale, size, register };
    // SEAL adds only what has the same scale up to one rounding; roundings must not add up.
    register.object.setScale(canonical);
    return { level, scale: canonical, size, register };
  };

  const inHeap = (p: SealPlain): Plaintext => {
    if (p.object !== undefined) return p.object;
    invariant(p.bytes !== undefined, "uses a plaintext after it was freed");
    const place = scratch[p.level]!;
    place.object ??= new api.Plaintext();
    if (place.holds !== p) {
      place.holds = undefined;
      place.object.loadFromArray(handle, p.bytes);
      place.holds = p;
    }
    return place.object;
  };
  const constant = (multiple: bigint, level: number, scale: number): SealPlain => {
    const form = { parmsId: levels[level]!, degree: scheme.degree, primes: scheme.primes.slice(0, level + 1), scale };
    return { level, scale, object: undefined, bytes: constantPlaintext(multiple, form) };
  };
  const monomial = (exponent: number, level: number): Plaintext => {
    const reduced = reducedExponent(exponent, scheme.degree);
    const known = monomials[level]!.get(reduced);
    if (known !== undefined) return known;
    const made = new api.Plaintext();
    made.loadFromArray(handle, context.plaintexts.monomial(reduced, level));
    monomials[level]!.set(reduced, made);
    return made;
  };
  const giveBack = (p: SealPlain): void => {
    if (p.object !== undefined) plaintexts[p.level]!.push(p.object);
    p.object = undefined;
    if (scratch[p.level]!.holds === p) scratch[p.level]!.holds = undefined;
  };

  return {
    encode(values, level, scale) {
      rules.encode(values.re.length, level, scale);
      const bytes = context.plaintexts.encode(values, level, scale);
      return seal.guard("encoding weights", () => {
        const to = plaintexts[level]!.pop() ?? new api.Plaintext();
        to.loadFromArray(handle, bytes);
        return { level, scale, object: to, bytes: undefined };
      });
    },
    encodeConstant(value, level, scale) {
      checkEncodable([value], moduli[level]!, level, scale);
      rules.encodeConstant(value, level, scale);
      return constant(BigInt(Math.round(value * scale)), level, scale);
    },
    rotate(x, steps) {
      const standing = rules.rotate(x, steps);
      // SEAL takes steps below the number of slots only.
      const by = steps % (scheme.degree / 2);
      return make("a rotation", standing, roomOf(x), (to) =>
        evaluator.rotateVector(object(x), by, keys.galois(by), to),
      );
    },
    conjugate: (x) =>
      make("a conjugation", rules.conjugate(x), roomOf(x), (to) =>
        evaluator.complexConjugate(object(x), keys.galois(0), to),
      ),
    multiplyMonomial: (x, exponent) =>
      make("a product with a monomial", rules.multiplyMonomial(x), roomOf(x), (to) =>
        evaluator.multiplyPlain(object(x), monomial(exponent, x.level), to),
      ),
    add: (x, y) => {
      const standing = rules.add(x, y);
      return make("an addition", standing, roomOf(standing), (to) => evaluator.add(object(x), object(y), to));
    },
    addTo: (x, y) => {
      const standing = rules.add(x, y);
      invariant(!fromOutside.has(x), "adds to an input in its place");
      return seal.guard("an addition", () => {
        evaluator.addInplace(object(x), object(y));
        live.delete(x);
        const result = snapped(x.register, standing);
        live.add(result);
        return result;
      });
    },
    subtract: (x, y) => {
      const standing = rules.add(x, y);
      return make("a subtraction", standing, roomOf(standing), (to) => evaluator.sub(object(x), object(y), to));
    },
    negate: (x) => make("a negation", x, roomOf(x), (to) => evaluator.negate(object(x), to)),
    mask(x, open) {
      const standing = rules.mask(x, open.length);
      return make("a mask", standing, roomOf(x), (to) => {
        let from = object(x);
        for (const half of randomPolynomials(scheme.primes[0]!, open)) {
          maskPlain ??= new api.Plaintext();
          maskPlain.loadFromArray(handle, context.plaintexts.polynomial(half, x.level, x.scale));
          if (from === to) evaluator.addPlainInplace(to, maskPlain);
          else evaluator.addPlain(from, maskPlain, to);
          from = to;
        }
      });
    },
    addPlain: (x, p) =>
      make("an addition of a plaintext", rules.addPlain(x, p), roomOf(x), (to) =>
        evaluator.addPlain(object(x), inHeap(p), to),
      ),
    multiplyPlain: (x, p) =>
      make("a product with a plaintext", rules.multiplyPlain(x, p), roomOf(x), (to) =>
        evaluator.multiplyPlain(object(x), inHeap(p), to),
      ),
    multiply: (x, y) => {
      const standing = rules.multiply(x, y);
      return make("a product", standing, roomOf(standing), (to) => evaluator.multiply(object(x), object(y), to));
    },
    square: (x) => {
      const standing = rules.multiply(x, x);
      return make("a square", standing, roomOf(standing), (to) => evaluator.square(object(x), to));
    },
    relinearize(x) {
      const { relinearization } = keys;
      invariant(relinearization !== undefined, "relinearizes without a key");
      return make("a relinearization", rules.relinearize(x), roomOf(x), (to) =>
        evaluator.relinearize(object(x), relinearization, to),
      );
    },
    rescale: (x) => {
      const standing = rules.rescale(x);
      return make("a rescaling", standing, roomOf(standing), (to) => evaluator.rescaleToNext(object(x), to));
    },
    modSwitch: (x) => {
      const standing = rules.modSwitch(x);
      return make("a modulus switch", standing, roomOf(standing), (to) =>
        evaluator.cipherModSwitchToNext(object(x), to),
      );
    },
    free(x) {
      invariant(live.delete(x), "frees a ciphertext twice");
      if (fromOutside.delete(x)) loaded.push(x.register.object);
      else registers.give(x.register);
    },
    freePlain(p) {
      giveBack(p);
      p.bytes = undefined;
    },
    load: (bytes, level) =>
      seal.guard("loading a ciphertext", () => {
        const to = loaded.pop() ?? new api.Ciphertext();
        to.loadFromArray(handle, bytes);
        const result: SealCipher = { level, scale: scales[level]!, size: 2, register: { object: to, capacity: 0 } };
        live.add(result);
        fromOutside.add(result);
        return result;
      }),
    save: (x) => seal.guard("saving a ciphertext", () => object(x).saveToArray(none) as Uint8Array),
    moveOut(p) {
      if (p.object === undefined) return;
      p.bytes = seal.guard("saving a plaintext", () => p.object!.saveToArray(none) as Uint8Array);
      giveBack(p);
    },
    live: () => live.size,
    registerCapacity: () => registers.capacity,
    dispose() {
      const held = [...live].map((x) => x.register.object);
      const scratches = scratch.map((s) => s.object);
      seal.release(
        ...held,
        ...loaded.splice(0),
        ...registers.drain(),
        ...plaintexts.flatMap((list) => list.splice(0)),
        ...monomials.flatMap((list) => [...list.values()]),
        ...scratches,
        maskPlain,
      );
      live.clear();
    },
  };
}

/** Room for plaintexts that stay between runs. */
export interface CacheBudget {
  readonly bytes: number;
  /** How many of them may be in SEAL's heap, where using them costs nothing. */
  readonly heapBytes: number;
}

/** Keeps the plaintexts of a program between runs: the first in SEAL's heap, the next outside, those after not at all. */
export function plaintextCache(
  context: Context,
  machine: SealEvaluator,
  { bytes, heapBytes }: CacheBudget,
): PlaintextCache<SealPlain> & { clear(): void } {
  const store = new PlaintextStore<SealPlain>(bytes, ({ level }) =>
    savedPlaintextBytes(context.scheme.degree, level + 1),
  );
  return {
    get: (node: NodeId) => store.get(node),
    put(node, plaintext) {
      const kept = store.put(node, plaintext);
      if (kept && store.bytes > heapBytes) machine.moveOut(plaintext);
      return kept;
    },
    clear: () => store.clear((plaintext) => machine.freePlain(plaintext)),
  };
}
