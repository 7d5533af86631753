/**
 * WebAssembly written by the program itself: the few instructions that arithmetic in loops over one memory takes. It has what
 * JavaScript lacks: products of 64-bit integers, two doubles in one instruction, arrays whose bounds need not be checked.
 *
 * Values carry their kind as a type, so that what does not fit together does not compile.
 */

/** `f64x2` is two doubles that are computed with at once, `f32x4` four numbers of single precision. */
export type Kind = "i32" | "i64" | "f32" | "f64" | "f64x2" | "f32x4";

/** Bytes of instructions, as deeply nested as they were put together. */
export type Code = number | readonly Code[];

/** Instructions that compute one value. */
export interface Value<K extends Kind> {
  readonly kind: K;
  readonly code: Code;
}

/** A variable or parameter of a function. */
export interface Local<K extends Kind> extends Value<K> {
  readonly index: number;
}

export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly Kind[];
  readonly locals: readonly Kind[];
  readonly body: Code;
  readonly result: Value<Kind> | undefined;
}

/** Declares a variable, which begins as zero. */
export type Declare = <K extends Kind>(kind: K) => Local<K>;

export interface Exports {
  readonly [name: string]: unknown;
  readonly memory: { readonly buffer: ArrayBuffer };
}

/** The part of the WebAssembly namespace used here; the compiler's libraries declare it only for browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Exports };
};

const typeCodes = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, f64x2: 0x7b, f32x4: 0x7b };
const vector = 0xfd;
const addCodes = { i32: 0x6a, i64: 0x7c, f32: 0x92, f64: 0xa0, f64x2: [vector, 0xf0, 1], f32x4: [vector, 0xe4, 1] };
const subCodes = { i32: 0x6b, i64: 0x7d, f32: 0x93, f64: 0xa1, f64x2: [vector, 0xf1, 1], f32x4: [vector, 0xe5, 1] };
const mulCodes = { i32: 0x6c, i64: 0x7e, f32: 0x94, f64: 0xa2, f64x2: [vector, 0xf2, 1], f32x4: [vector, 0xe6, 1] };
const loadCodes = { i32: 0x28, i64: 0x29, f32: 0x2a, f64: 0x2b, f64x2: [vector, 0], f32x4: [vector, 0] };
const storeCodes = { i32: 0x36, i64: 0x37, f32: 0x38, f64: 0x39, f64x2: [vector, 11], f32x4: [vector, 11] };

/** What addresses are promised to be multiples of, log2; what they are not would still be read. */
const alignment = 2;

type Binary = <K extends Kind>(a: Value<K>, b: Value<K>) => Value<K>;
const binary =
  (codes: { readonly [K in Kind]: Code }): Binary =>
  (a, b) => ({ kind: a.kind, code: [a.code, b.code, codes[a.kind]] });

export const add = binary(addCodes);
/** `a - b` */
export const sub = binary(subCodes);
/** Of integers the lowest 32 or 64 bits. */
export const mul = binary(mulCodes);

const integerBinary =
  <K extends "i32" | "i64">(kind: K, opcode: number) =>
  (a: Value<K>, b: Value<K>): Value<K> => ({ kind, code: [a.code, b.code, opcode] });

export const and = integerBinary("i64", 0x83);
export const or = integerBinary("i64", 0x84);
/** Shifts the sign in. */
export const shiftRight = integerBinary("i64", 0x87);
/** 1 where `a < b`, both at least 0. */
export const less32 = integerBinary("i32", 0x49);

const conversion =
  <A extends Kind, B extends Kind>(_from: A, kind: B, opcode: Code) =>
  (a: Value<A>): Value<B> => ({ kind, code: [a.code, opcode] });

/** The nearest double. */
export const toDouble = conversion("i64", "f64", 0xb9);
/** Without the fraction; what is too large becomes the largest or least integer. */
export const toInteger = conversion("f64", "i64", [0xfc, 6]);
/** The bits of a double. */
export const bitsOf = conversion("f64", "i64", 0xbd);
/** 1 for those below 0. */
export const isNegative = (a: Value<"i64">): Value<"i32"> => ({ kind: "i32", code: [a.code, i64(0n).code, 0x53] });
/** Both doubles the same. */
export const twice = conversion("f64", "f64x2", [vector, 0x14]);
/** All four the same. */
export const fourTimes = conversion("f32", "f32x4", [vector, 0x13]);
/** One of the four. */
export const laneOf = (a: Value<"f32x4">, lane: 0 | 1 | 2 | 3): Value<"f32"> => ({
  kind: "f32",
  code: [a.code, vector, 0x1f, lane],
});
/** Both without their fractions. */
export const truncated = conversion("f64x2", "f64x2", [vector, 0x7a]);

export const i32 = (value: number): Value<"i32"> => ({ kind: "i32", code: [0x41, signed(BigInt(value))] });
export const i64 = (value: bigint): Value<"i64"> => ({ kind: "i64", code: [0x42, signed(value)] });
export const f64 = (value: number): Value<"f64"> => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return { kind: "f64", code: [0x44, [...bytes]] };
};

/** `offset` is added to the address, in bytes, and costs nothing. */
export function load<K extends Kind>(kind: K, address: Value<"i32">, offset = 0): Value<K> {
  return { kind, code: [address.code, loadCodes[kind], alignment, unsigned(offset)] };
}

export function store(address: Value<"i32">, value: Value<Kind>, offset = 0): Code {
  return [address.code, value.code, storeCodes[value.kind], alignment, unsigned(offset)];
}

export function set<K extends Kind>(local: Local<K>, value: Value<K>): Code {
  return [value.code, 0x21, unsigned(local.index)];
}

/** Runs the body once, and again as long as the condition, computed after it, is not 0. */
export function repeat(body: Code, condition: Value<"i32">): Code {
  return [0x03, 0x40, body, condition.code, 0x0d, 0, 0x0b];
}

/** A function of the given name; `write` gets its parameters after `declare`. */
export function wasmFunction<const P extends readonly Kind[]>(
  name: string,
  parameters: P,
  write: (
    declare: Declare,
    ...parameters: { readonly [I in keyof P]: Local<P[I]> }
  ) => { readonly body: Code; readonly result?: Value<Kind> },
): WasmFunction {
  const locals: Kind[] = [];
  const local = <K extends Kind>(kind: K, index: number): Local<K> => ({ kind, index, code: [0x20, unsigned(index)] });
  const declare: Declare = (kind) => local(kind, parameters.length + locals.push(kind) - 1);
  const own = parameters.map((kind, i) => local(kind, i)) as unknown as { readonly [I in keyof P]: Local<P[I]> };
  const { body, result } = write(declare, ...own);
  return { name, parameters, locals, body, result };
}

/**
 * Functions that can be called, by name, and the memory they share, at least so large and filled with zeros. Engines translate
 * them twice: at the first call, in no time, and to better code once they have run for some milliseconds.
 */
export function instantiate(functions: readonly WasmFunction[], memoryBytes: number): Exports {
  const bytes = new Uint8Array(flat(moduleCode(functions, Math.ceil(memoryBytes / 2 ** 16))));
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
}

function moduleCode(functions: readonly WasmFunction[], pages: number): Code {
  const section = (id: number, items: readonly Code[]) => [id, sized([unsigned(items.length), items])];
  const typeOf = ({ parameters, result }: WasmFunction) => [
    [0x60, unsigned(parameters.length), parameters.map((kind) => typeCodes[kind])],
    result === undefined ? 0 : [1, typeCodes[result.kind]],
  ];
  const bodyOf = ({ locals, body, result }: WasmFunction) =>
    sized([unsigned(locals.length), locals.map((kind) => [1, typeCodes[kind]]), body, result?.code ?? [], 0x0b]);
  const exported = (name: string, what: number, index: number) => [
    sized([...new TextEncoder().encode(name)]),
    what,
    unsigned(index),
  ];
  return [
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, functions.map(typeOf)),
    section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    section(5, [[0, unsigned(pages)]]),
    section(7, [exported("memory", 2, 0), ...functions.map(({ name }, i) => exported(name, 0, i))]),
    section(10, functions.map(bodyOf)),
  ];
}

function sized(code: Code): Code {
  const bytes = flat(code);
  return [unsigned(bytes.length), bytes];
}

function flat(code: Code, to: number[] = []): number[] {
  if (typeof code === "number") to.push(code);
  else for (const part of code) flat(part, to);
  return to;
}

/** Integers are written in groups of seven bits, the lowest first. */
function unsigned(value: number): Code {
  return value < 128 ? value : [(value % 128) + 128, unsigned(Math.floor(value / 128))];
}

/** As `unsigned`; the highest bit of the last group is the sign. */
function signed(value: bigint): Code {
  const group = Number(BigInt.asUintN(7, value));
  return value === BigInt.asIntN(7, value) ? group : [group + 128, signed(value >> 7n)];
}
