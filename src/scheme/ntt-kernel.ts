import { factorBytes, type Method, newFactor, recentred } from "./ntt-product.ts";
import {
  add,
  and,
  type Code,
  i32,
  i64,
  isNegative,
  type Local,
  less32,
  load,
  or,
  repeat,
  set,
  shiftRight,
  store,
  sub,
  toInteger,
  type WasmFunction,
  wasmFunction,
} from "./wasm-code.ts";

/** Bytes of a coefficient and of a residue. */
export const wordBytes = 8;

/** Coefficients below it are reduced in WebAssembly, with quotients of less than 2^46 for primes above 2^16. */
const coefficientLimit = 2n ** 62n;

/**
 * `integers()` makes N doubles from address 0 on 64-bit integers, in place. It returns 1 if one of them does not lie in
 * `-2^62 .. 2^62 - 1`.
 */
export function integersFunction(degree: number): WasmFunction {
  return wasmFunction("integers", [], (declare) => {
    const [at, value, all] = [declare("i32"), declare("i64"), declare("i64")];
    const each = [
      set(value, toInteger(load("f64", at))),
      // The sum is negative for those outside.
      set(all, or(all, add(value, i64(coefficientLimit)))),
      store(at, value),
      set(at, add(at, i32(wordBytes))),
    ];
    return { body: repeat(each, less32(at, i32(wordBytes * degree))), result: isNegative(all) };
  });
}

/** Butterflies in one turn of a loop, where a group has so many; a tenth faster than one. */
const unrolled = 4;

/**
 * A function `(factors, prime, 1 / prime)` with the method's name: transforms N integers from address 0 on to N residues
 * `0 .. prime - 1` from address 8 N on. The constants of `psi^r(k)` stand at address `factors + 16 k`.
 *
 * One stage after the other: with two in one pass over memory there are too many variables for the processor's registers.
 */
export function transformFunction(degree: number, method: Method): WasmFunction {
  return wasmFunction(method.name, ["i32", "i64", "f64"], (declare, factors, prime, inverse) => {
    const size = wordBytes * degree;
    const [at, end] = [declare("i32"), declare("i32")];
    const [x, y, sum] = [declare("i64"), declare("i64"), declare("i64")];
    const root = newFactor(declare, { prime, inverse }, method);
    const recentre = (residue: Local<"i64">) => set(residue, recentred(residue, { prime, inverse }));
    /** To `0 .. prime - 1`. */
    const reduce = (residue: Local<"i64">) => [
      recentre(residue),
      set(residue, add(residue, and(shiftRight(residue, i64(63n)), prime))),
    ];
    /** Of the residues at `at + offset` and so many bytes further. */
    const butterfly = (stage: number, stride: number, offset: number): Code => {
      const start = stage === 0 ? 0 : size;
      return [
        [set(x, load("i64", at, start + offset)), set(y, load("i64", at, start + offset + stride))],
        [stage % method.recentresEvery === 0 ? recentre(x) : [], stage === 0 ? recentre(y) : []],
        [root.multiply(y), set(sum, add(x, y)), set(y, sub(x, y))],
        stride === wordBytes ? [reduce(sum), reduce(y)] : [],
        [store(at, sum, size + offset), store(at, y, size + offset + stride)],
      ];
    };
    /** Group by group, each with its own root. */
    const wholeStage = (_: unknown, stage: number): Code => {
      const stride = size / 2 ** (stage + 1);
      const turn = Math.min(unrolled * wordBytes, stride);
      const several = Array.from({ length: turn / wordBytes }, (_, i) => butterfly(stage, stride, wordBytes * i));
      const group = [
        [set(factors, add(factors, i32(factorBytes))), root.fetch(factors, 0), set(end, add(at, i32(stride)))],
        repeat([several, set(at, add(at, i32(turn)))], less32(at, end)),
        set(at, add(at, i32(stride))),
      ];
      return [set(at, i32(0)), repeat(group, less32(at, i32(size)))];
    };
    return { body: Array.from({ length: Math.log2(degree) }, wholeStage) };
  });
}
