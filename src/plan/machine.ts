import type { Tensor } from "../base/tensor.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import type { Plan } from "./plan.ts";

/** Named tensors: a model's inputs or outputs. */
export type Tensors = ReadonlyMap<string, Tensor>;

/** Something that computes a plan from clear inputs to clear outputs: `float`, `sim` or `seal`. */
export interface Machine {
  readonly name: string;
  run(plan: Plan, inputs: Tensors): Promise<Tensors>;
}

/**
 * The evaluator side of the scheme, one method per HE op; running a plan makes no decisions.
 * `C` is a ciphertext handle, `P` a plaintext handle. Operations return new handles and leave their operands alone;
 * whoever runs the program frees each handle after its last use.
 */
export interface HeMachine<C, P> {
  /** The result is used at `level` with exactly `scale`. */
  encode(values: SlotVector, level: number, scale: number): P;
  /** One number in every slot. */
  encodeConstant(value: number, level: number, scale: number): P;
  rotate(x: C, steps: number): C;
  conjugate(x: C): C;
  /** Times `X^exponent`: see `monomialSlots`. Level and scale stay. */
  multiplyMonomial(x: C, exponent: number): C;
  add(x: C, y: C): C;
  /** The sum, in the place of `x`, whose handle is used up: saves a copy where `x` is not needed any more. `y` is another. */
  addTo(x: C, y: C): C;
  subtract(x: C, y: C): C;
  negate(x: C): C;
  /**
   * Hides coefficients: adds to each for which `open` is 0 a random number, uniform modulo the prime of level 0, where `x` is. Only
   * machines that encrypt do; on numbers the result is `x`.
   */
  mask(x: C, open: Uint8Array): C;
  addPlain(x: C, p: P): C;
  multiplyPlain(x: C, p: P): C;
  multiply(x: C, y: C): C;
  square(x: C): C;
  relinearize(x: C): C;
  rescale(x: C): C;
  modSwitch(x: C): C;
  free(x: C): void;
  freePlain(p: P): void;
}

/** The client side: what needs the keys. */
export interface HeClient<C> {
  /** Encrypts at the canonical scale of `level`. */
  encrypt(slots: SlotVector, level: number): C;
  /** The result has both parts. */
  decrypt(x: C): SlotVector;
}
