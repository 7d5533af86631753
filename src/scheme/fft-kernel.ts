/** The Fourier transform of the encoder in WebAssembly: with two doubles at once it is four times as fast as in JavaScript. */
import {
  add,
  type Code,
  type Declare,
  i32,
  type Local,
  less32,
  load,
  mul,
  repeat,
  set,
  store,
  sub,
  truncated,
  twice,
  type Value,
  type WasmFunction,
  wasmFunction,
} from "./wasm-code.ts";

/** Bytes of a double. */
const word = 8;

/** Byte addresses of arrays of complex numbers, first all real parts, then all imaginary ones. */
export interface FourierMemory {
  readonly points: number;
  /** What is transformed, in bit-reversed order, in place. */
  readonly values: number;
  /** For each stage of `h` butterflies per group, from index h: `exp(-pi i k / h)`. */
  readonly stages: number;
  /** What each result is multiplied by. */
  readonly twists: number;
  readonly bytes: number;
}

export function fourierMemory(points: number): FourierMemory {
  const array = 2 * word * points;
  return { points, values: 0, stages: array, twists: 2 * array, bytes: 3 * array };
}

/** One double, or two at once. */
type Lanes = "f64" | "f64x2";

interface Complex<L extends Lanes> {
  readonly re: Value<L>;
  readonly im: Value<L>;
}

interface ComplexLocal<L extends Lanes> {
  readonly re: Local<L>;
  readonly im: Local<L>;
}

/**
 * `transform(factor)`: the inverse Fourier transform without its division, each result multiplied by its twist, both parts
 * multiplied by the factor and rounded half away from zero. For at least two points, a power of two.
 */
export function fourierFunction(memory: FourierMemory): WasmFunction {
  return wasmFunction("transform", ["f64"], (declare, factor) => {
    const stages = [stage(declare, "f64", 1, memory)];
    for (let half = 2; half < memory.points; half *= 2) stages.push(stage(declare, "f64x2", half, memory));
    return { body: [stages, twist(declare, factor, memory)] };
  });
}

/** The stage of `half` butterflies per group. */
function stage<L extends Lanes>(declare: Declare, lanes: L, half: number, memory: FourierMemory): Code {
  const { points, values, stages } = memory;
  const [at, k] = [declare("i32"), declare("i32")];
  const [a, b, root, product] = [
    complex(declare, lanes),
    complex(declare, lanes),
    complex(declare, lanes),
    complex(declare, lanes),
  ];
  const [size, step] = [word * half, lanes === "f64" ? word : 2 * word];
  const data = complexArray(lanes, points, at);
  const butterfly = [
    [assign(a, data.get(values)), assign(b, data.get(values + size))],
    [assign(root, complexArray(lanes, points, k).get(stages + size)), assign(product, times(b, root))],
    [data.put(values, plus(a, product)), data.put(values + size, minus(a, product))],
    set(at, add(at, i32(step))),
  ];
  return forEach(at, size, word * points, forEach(k, step, size, butterfly));
}

function twist(declare: Declare, factor: Value<"f64">, { points, values, twists }: FourierMemory): Code {
  const at = declare("i32");
  const [x, root] = [complex(declare, "f64x2"), complex(declare, "f64x2")];
  const [scale, whole, part] = [declare("f64x2"), declare("f64x2"), declare("f64x2")];
  const array = complexArray("f64x2", points, at);
  const { re, im } = times(x, root);
  // The rest and its double are exact.
  const round = (y: Value<"f64x2">, address: number): Code => [
    [set(part, mul(y, scale)), set(whole, truncated(part)), set(part, sub(part, whole))],
    store(at, add(whole, truncated(add(part, part))), address),
  ];
  const each = [
    [assign(x, array.get(values)), assign(root, array.get(twists))],
    [round(re, values), round(im, values + word * points)],
  ];
  return [set(scale, twice(factor)), forEach(at, 2 * word, word * points, each)];
}

/** Runs the body with `at` from 0 up to `end`; what the body adds to it counts, too. */
function forEach(at: Local<"i32">, step: number, end: number, body: Code): Code {
  return [set(at, i32(0)), repeat([body, set(at, add(at, i32(step)))], less32(at, i32(end)))];
}

/** Numbers at `address + at`. */
function complexArray<L extends Lanes>(lanes: L, points: number, at: Value<"i32">) {
  return {
    get: (address: number): Complex<L> => ({
      re: load(lanes, at, address),
      im: load(lanes, at, address + word * points),
    }),
    put: (address: number, { re, im }: Complex<L>): Code => [
      store(at, re, address),
      store(at, im, address + word * points),
    ],
  };
}

function complex<L extends Lanes>(declare: Declare, lanes: L): ComplexLocal<L> {
  return { re: declare(lanes), im: declare(lanes) };
}

function assign<L extends Lanes>(x: ComplexLocal<L>, { re, im }: Complex<L>): Code {
  return [set(x.re, re), set(x.im, im)];
}

function plus<L extends Lanes>(x: Complex<L>, y: Complex<L>): Complex<L> {
  return { re: add(x.re, y.re), im: add(x.im, y.im) };
}

function minus<L extends Lanes>(x: Complex<L>, y: Complex<L>): Complex<L> {
  return { re: sub(x.re, y.re), im: sub(x.im, y.im) };
}

function times<L extends Lanes>(x: Complex<L>, y: Complex<L>): Complex<L> {
  return { re: sub(mul(x.re, y.re), mul(x.im, y.im)), im: add(mul(x.re, y.im), mul(x.im, y.re)) };
}
