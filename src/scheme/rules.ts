import { invariant } from "../base/diagnostic.ts";
import { levelModuli, type Scheme } from "./parameters.ts";

/** What CKKS keeps track of beside the numbers. */
export interface Standing {
  readonly level: number;
  readonly scale: number;
  /** Number of polynomials. */
  readonly size: number;
}

export type PlainStanding = Omit<Standing, "size">;

/**
 * The rules of SEAL's CKKS evaluator: what an op needs of its operands and where its result stands. Scales are computed in
 * SEAL's order, bit by bit. A broken rule is a bug: programs are verified before they run.
 */
export class Rules {
  readonly #scheme: Scheme;
  readonly #moduli: Float64Array;
  readonly #steps: ReadonlySet<number> | undefined;

  /** `galoisSteps`: the rotation steps there are keys for, 0 for conjugation; any when not given. */
  constructor(scheme: Scheme, galoisSteps?: readonly number[]) {
    this.#scheme = scheme;
    this.#moduli = levelModuli(scheme);
    this.#steps = galoisSteps && new Set(galoisSteps.map((s) => this.#residue(s)));
  }

  /** `count`: how many numbers, real or complex, are encoded. */
  encode(count: number, level: number, scale: number): PlainStanding {
    const slots = this.#scheme.degree / 2;
    invariant(count === slots, `encodes ${count} numbers into ${slots} slots`);
    return this.#within({ level, scale });
  }

  encodeConstant(value: number, level: number, scale: number): PlainStanding {
    invariant(Number.isFinite(value), `encodes ${value}`);
    return this.#within({ level, scale });
  }

  rotate(x: Standing, steps: number): Standing {
    invariant(x.size === 2, "rotates a product that was not relinearized");
    const residue = this.#residue(steps);
    invariant(Number.isInteger(steps) && residue !== 0, `rotates by ${steps}`);
    invariant(this.#steps?.has(residue) ?? true, `rotates by ${steps}, for which the plan declares no Galois key`);
    return x;
  }

  conjugate(x: Standing): Standing {
    invariant(x.size === 2, "conjugates a product that was not relinearized");
    invariant(this.#steps?.has(0) ?? true, "conjugates, for which the plan declares no Galois key");
    return standingOf(x);
  }

  /** A monomial is a plaintext of scale 1. */
  multiplyMonomial(x: Standing): Standing {
    return standingOf(x);
  }

  /** Sum or difference; its scale is the first operand's. */
  add(x: Standing, y: Standing): Standing {
    sameLevel(x, y);
    sameScale(x, y);
    return { ...standingOf(x), size: Math.max(x.size, y.size) };
  }

  addPlain(x: Standing, p: PlainStanding): Standing {
    sameLevel(x, p);
    sameScale(x, p);
    return standingOf(x);
  }

  /** `coefficients` says how many there are to be hidden or not. */
  mask<S extends Standing>(x: S, coefficients: number): S {
    invariant(
      x.level === 0 && x.size === 2,
      "masks a value that is not at level 0, or a product that was not relinearized",
    );
    invariant(coefficients === this.#scheme.degree, `masks ${coefficients} coefficients of ${this.#scheme.degree}`);
    return x;
  }

  multiplyPlain(x: Standing, p: PlainStanding): Standing {
    sameLevel(x, p);
    return this.#within({ ...standingOf(x), scale: x.scale * p.scale });
  }

  multiply(x: Standing, y: Standing): Standing {
    invariant(x.size === 2 && y.size === 2, "multiplies a product that was not relinearized");
    sameLevel(x, y);
    return this.#within({ level: x.level, scale: x.scale * y.scale, size: 3 });
  }

  relinearize(x: Standing): Standing {
    return { ...standingOf(x), size: 2 };
  }

  rescale(x: Standing): Standing {
    invariant(x.level > 0, "rescales at level 0");
    const scale = x.scale / Number(this.#scheme.primes[x.level]!);
    invariant(scale > 1, `rescales a scale of ${x.scale}, which leaves nothing`);
    return { ...standingOf(x), level: x.level - 1, scale };
  }

  modSwitch(x: Standing): Standing {
    invariant(x.level > 0, "drops a prime at level 0");
    return this.#within({ ...standingOf(x), level: x.level - 1 });
  }

  /** The largest absolute value that a ciphertext at this level and scale can hold. */
  largestValue({ level, scale }: PlainStanding): number {
    return this.#moduli[level]! / 2 / scale;
  }

  #within<S extends PlainStanding>(standing: S): S {
    const { level, scale } = standing;
    const modulus = this.#moduli[level];
    invariant(modulus !== undefined, `level ${level} is not in the chain`);
    invariant(
      scale > 0 && scale < modulus,
      `a scale of ${scale} does not fit the modulus ${modulus} of level ${level}`,
    );
    return standing;
  }

  #residue(steps: number): number {
    const slots = this.#scheme.degree / 2;
    return ((steps % slots) + slots) % slots;
  }
}

function standingOf({ level, scale, size }: Standing): Standing {
  return { level, scale, size };
}

function sameLevel(x: PlainStanding, y: PlainStanding): void {
  invariant(x.level === y.level, `operands are at levels ${x.level} and ${y.level}`);
}

/** SEAL takes scales for equal when they differ by less than one rounding. */
function sameScale({ scale: a }: PlainStanding, { scale: b }: PlainStanding): void {
  const equal = Math.abs(a - b) < Number.EPSILON * Math.max(a, b, 1);
  invariant(equal, `operands have scales 2^${Math.log2(a)} and 2^${Math.log2(b)}, which differ by a factor ${a / b}`);
}
