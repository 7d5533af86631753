import { dotName, dotTiles, productName, productTiles, type Tile, word } from "./products-code.ts";

/** A matrix in the arena: the byte address of its first number, and how many numbers apart rows and columns lie. */
export interface Matrix {
  readonly address: number;
  readonly row: number;
  /** 1 unless said. */
  readonly column?: number;
}

/** Sizes of a product: the result is rows x columns, and each of its numbers a sum of `depth` products. */
export interface ProductSize {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

type Call = (...numbers: readonly number[]) => void;

/** Adds products of matrices to matrices; the same numbers in the same order on every machine. */
export class Products {
  readonly #functions: { readonly [name: string]: Call };

  constructor(functions: { readonly [name: string]: Call }) {
    this.#functions = functions;
  }

  /** C += A B. Neighbours in a row of B and C lie beside one another; those of A where `column` says. */
  add(c: Matrix, a: Matrix, b: Matrix, { rows, columns, depth }: ProductSize): void {
    if (depth === 0) return;
    const aColumn = a.column ?? 1;
    forTiles(productTiles, rows, columns, (tile, row, column, tiles) =>
      this.#functions[productName(tile)]!(
        c.address + (row * c.row + column) * word,
        a.address + row * a.row * word,
        b.address + column * word,
        depth,
        tiles,
        c.row * word,
        a.row * word,
        aColumn * word,
        b.row * word,
      ),
    );
  }

  /** C += A B', where B' is B with rows and columns exchanged. Neighbours in a row lie beside one another in all three. */
  addDots(c: Matrix, a: Matrix, b: Matrix, { rows, columns, depth }: ProductSize): void {
    const whole = depth - (depth % 4);
    const parts = [
      { lanes: "f32x4", from: 0, count: whole / 4 },
      { lanes: "f32", from: whole, count: depth - whole },
    ] as const;
    for (const { lanes, from, count } of parts) {
      if (count === 0) continue;
      forTiles(dotTiles, rows, columns, (tile, row, column, tiles) =>
        this.#functions[dotName(tile, lanes)]!(
          c.address + (row * c.row + column) * word,
          a.address + (row * a.row + from) * word,
          b.address + (column * b.row + from) * word,
          count,
          tiles,
          c.row * word,
          a.row * word,
          b.row * word,
        ),
      );
    }
  }
}

/** Cuts a matrix into tiles; calls with a row of them: the tile, where the first begins, and how many there are. */
function forTiles(
  tiles: readonly Tile[],
  rows: number,
  columns: number,
  visit: (tile: Tile, row: number, column: number, count: number) => void,
): void {
  let row = 0;
  while (row < rows) {
    const height = tiles.find((tile) => tile.rows <= rows - row)!.rows;
    let column = 0;
    for (const tile of tiles) {
      if (tile.rows !== height) continue;
      const count = Math.floor((columns - column) / tile.columns);
      if (count === 0) continue;
      visit(tile, row, column, count);
      column += count * tile.columns;
    }
    row += height;
  }
}
