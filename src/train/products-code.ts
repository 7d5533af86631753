/** Matrix products in WebAssembly: with four numbers at once they are several times as fast as in JavaScript. */
import {
  add,
  type Code,
  type Declare,
  fourTimes,
  i32,
  type Local,
  laneOf,
  less32,
  load,
  mul,
  repeat,
  set,
  store,
  type Value,
  type WasmFunction,
  wasmFunction,
} from "../scheme/wasm-code.ts";

/** One number of single precision, or four at once. */
type Lanes = "f32" | "f32x4";

/** Bytes of one number. */
export const word = 4;
const bytesOf = { f32: word, f32x4: 4 * word } as const;

/** A block of the result that is computed in registers. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
}

/** The tiles of `addProducts`, the largest first in both directions. What is left of a matrix takes smaller ones. */
export const productTiles: readonly Tile[] = [4, 2, 1].flatMap((rows) =>
  [8, 4, 1].map((columns) => ({ rows, columns })),
);
/** Those of `addDots`; each of them exists for vectors and for the numbers behind the last full vector. */
export const dotTiles: readonly Tile[] = [4, 1].flatMap((rows) => [2, 1].map((columns) => ({ rows, columns })));

export const productName = ({ rows, columns }: Tile) => `product_${rows}_${columns}`;
export const dotName = ({ rows, columns }: Tile, lanes: Lanes) => `dot_${rows}_${columns}_${lanes}`;

export function productFunctions(): WasmFunction[] {
  const dots = (lanes: Lanes) => dotTiles.map((tile) => dotFunction(tile, lanes));
  return [...productTiles.map(productFunction), ...dots("f32x4"), ...dots("f32")];
}

/**
 * Adds A B to tiles of C that lie beside one another. Parameters: addresses of the first tile of C, of A and of B; how many
 * numbers a sum has; how many tiles; then in bytes how far rows of C, rows of A, columns of A and rows of B are apart.
 */
function productFunction(tile: Tile): WasmFunction {
  const lanes: Lanes = tile.columns === 1 ? "f32" : "f32x4";
  const size = bytesOf[lanes];
  const [rows, vectors] = [range(tile.rows), range((tile.columns * word) / size)];
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  const write = (declare: Declare, ...all: readonly Local<"i32">[]) => {
    const [c, a, b, depth, tiles, cRow, aRow, aColumn, bRow] = all as Many<9>;
    const [tilesDone, done, bAt] = [declare("i32"), declare("i32"), declare("i32")];
    const [cAt, aAt] = [rows.map(() => declare("i32")), rows.map(() => declare("i32"))];
    const sums = rows.map(() => vectors.map(() => declare(lanes)));
    const right = vectors.map(() => declare(lanes));
    const left = declare(lanes);
    const step = [
      vectors.map((v) => set(right[v]!, load(lanes, bAt, v * size))),
      rows.map((r) => [
        set(left, spread(lanes, load("f32", aAt[r]!))),
        vectors.map((v) => set(sums[r]![v]!, add(sums[r]![v]!, mul(left, right[v]!)))),
        advance(aAt[r]!, aColumn),
      ]),
      advance(bAt, bRow),
      advance(done, i32(1)),
    ];
    const each = [
      rows.map((r) => set(cAt[r]!, r === 0 ? c : add(cAt[r - 1]!, cRow))),
      rows.map((r) => set(aAt[r]!, r === 0 ? a : add(aAt[r - 1]!, aRow))),
      rows.map((r) => vectors.map((v) => set(sums[r]![v]!, load(lanes, cAt[r]!, v * size)))),
      [set(bAt, b), set(done, i32(0)), repeat(step, less32(done, depth))],
      rows.map((r) => vectors.map((v) => store(cAt[r]!, sums[r]![v]!, v * size))),
      [advance(c, i32(tile.columns * word)), advance(b, i32(tile.columns * word)), advance(tilesDone, i32(1))],
    ];
    return { body: repeat(each, less32(tilesDone, tiles)) };
  };
  return wasmFunction(productName(tile), parameters, write);
}

/**
 * Adds A B' to tiles of C that lie beside one another, B' being B with rows and columns exchanged: each number is the scalar
 * product of a row of A and one of B. Parameters: addresses of the first tile of C, of A and of B; how many vectors a row has;
 * how many tiles; then in bytes how far rows of C, of A and of B are apart.
 */
function dotFunction(tile: Tile, lanes: Lanes): WasmFunction {
  const [rows, columns] = [range(tile.rows), range(tile.columns)];
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  const write = (declare: Declare, ...all: readonly Local<"i32">[]) => {
    const [c, a, b, depth, tiles, cRow, aRow, bRow] = all as Many<8>;
    const [tilesDone, done, cAt] = [declare("i32"), declare("i32"), declare("i32")];
    const [aAt, bAt] = [rows.map(() => declare("i32")), columns.map(() => declare("i32"))];
    const sums = rows.map(() => columns.map(() => declare(lanes)));
    const right = columns.map(() => declare(lanes));
    const left = declare(lanes);
    const zero = declare(lanes);
    const step = [
      columns.map((k) => [set(right[k]!, load(lanes, bAt[k]!)), advance(bAt[k]!, i32(bytesOf[lanes]))]),
      rows.map((r) => [
        [set(left, load(lanes, aAt[r]!)), advance(aAt[r]!, i32(bytesOf[lanes]))],
        columns.map((k) => set(sums[r]![k]!, add(sums[r]![k]!, mul(left, right[k]!)))),
      ]),
      advance(done, i32(1)),
    ];
    const each = [
      rows.map((r) => set(aAt[r]!, r === 0 ? a : add(aAt[r - 1]!, aRow))),
      columns.map((k) => set(bAt[k]!, k === 0 ? b : add(bAt[k - 1]!, bRow))),
      rows.map((r) => columns.map((k) => set(sums[r]![k]!, zero))),
      [set(done, i32(0)), repeat(step, less32(done, depth)), set(cAt, c)],
      rows.map((r) => [
        columns.map((k) => store(cAt, add(load("f32", cAt, k * word), total(lanes, sums[r]![k]!)), k * word)),
        advance(cAt, cRow),
      ]),
      [advance(c, i32(tile.columns * word)), columns.map(() => advance(b, bRow)), advance(tilesDone, i32(1))],
    ];
    return { body: repeat(each, less32(tilesDone, tiles)) };
  };
  return wasmFunction(dotName(tile, lanes), parameters, write);
}

/** So many variables, for a list that is taken apart. */
type Many<N extends number> = readonly Local<"i32">[] & { readonly length: N } & {
  readonly [I in Index]: Local<"i32">;
};
type Index = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

function advance(local: Local<"i32">, by: Value<"i32">): Code {
  return set(local, add(local, by));
}

function spread(lanes: Lanes, value: Value<"f32">): Value<Lanes> {
  return lanes === "f32" ? value : fourTimes(value);
}

/** The sum of all lanes, always in the same order. */
function total(lanes: Lanes, value: Local<Lanes>): Value<"f32"> {
  if (lanes === "f32") return value as Local<"f32">;
  const lane = (i: 0 | 1 | 2 | 3) => laneOf(value as Local<"f32x4">, i);
  return add(add(lane(0), lane(1)), add(lane(2), lane(3)));
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
