import { expect, it } from "vitest";
import {
  add,
  f64,
  i32,
  i64,
  instantiate,
  type Kind,
  less32,
  load,
  mul,
  repeat,
  set,
  shiftRight,
  store,
  sub,
  toInteger,
  twice,
  type Value,
  wasmFunction,
} from "../src/scheme/wasm-code.ts";

/** What a function without parameters returns. */
function computed(result: Value<Kind>): unknown {
  const { value } = instantiate([wasmFunction("value", [], () => ({ body: [], result }))], 1);
  return (value as () => unknown)();
}

it("writes constants of every length", () => {
  for (const v of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8192, -8193, 2 ** 31 - 1, -(2 ** 31)])
    expect(computed(i32(v))).toBe(v);
  for (let bits = 0n; bits < 63n; bits++)
    for (const v of [2n ** bits, 2n ** bits - 1n, -(2n ** bits), -(2n ** bits) - 1n]) expect(computed(i64(v))).toBe(v);
  for (const v of [0, -1.5, Math.PI, 2 ** 1000]) expect(computed(f64(v))).toBe(v);
});

it("computes with 64-bit integers and doubles", () => {
  expect(computed(mul(i64(2n ** 40n + 1n), i64(2n ** 40n + 1n)))).toBe(2n ** 41n + 1n);
  expect(computed(sub(shiftRight(i64(-5n), i64(1n)), i64(1n)))).toBe(-4n);
  expect(computed(toInteger(f64(-1e300)))).toBe(-(2n ** 63n));
  expect(computed(toInteger(f64(-2.9)))).toBe(-2n);
});

it("calls functions on one memory, with loops, variables, parameters and two doubles at once", () => {
  const squares = wasmFunction("squares", ["i32", "f64"], (declare, end, start) => {
    const [at, x] = [declare("i32"), declare("f64")];
    const body = [store(at, mul(x, x), 1000), set(at, add(at, i32(8))), set(x, add(x, f64(1)))];
    return { body: [set(x, start), repeat(body, less32(at, end))] };
  });
  const doubled = wasmFunction("doubled", ["f64"], (_, factor) => {
    const twoAt = (address: number) => load("f64x2", i32(0), address);
    return { body: store(i32(0), mul(twoAt(1000), twice(factor)), 1016) };
  });
  const { memory, ...functions } = instantiate([squares, doubled], 70000);
  (functions.squares as (end: number, start: number) => void)(16, 2.5);
  (functions.doubled as (factor: number) => void)(2);
  expect([...new Float64Array(memory.buffer, 1000, 5)]).toEqual([6.25, 12.25, 12.5, 24.5, 0]);
  // Memory comes in pages of 64 KiB.
  expect(memory.buffer.byteLength).toBe(2 ** 17);
});
