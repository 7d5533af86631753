import type { LinearLayer } from "../ir/linear.ts";

/** A matrix by rows: row `r` has `factors[at]` in column `columns[at]` for `at` in `starts[r] .. starts[r + 1] - 1`. */
export interface Sparse {
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly factors: Float64Array;
}

/** Most entries of a product: some hundred megabytes. */
const mostEntries = 2 ** 24;

/**
 * The matrix of layers of one operand in a row, the last one first; undefined for none. What layers add to sums is left out.
 */
export function sparseProduct(
  layers: readonly Pick<LinearLayer, "map" | "coefficients">[],
): Sparse | undefined | "too large" {
  let product: Sparse | undefined;
  for (const layer of layers) {
    const next = times(product, layer);
    if (next === "too large") return next;
    product = next;
  }
  return product;
}

/** A matrix times that of a layer. */
function times(
  left: Sparse | undefined,
  { map, coefficients }: Pick<LinearLayer, "map" | "coefficients">,
): Sparse | "too large" {
  const rows = left === undefined ? map.outputSize : left.starts.length - 1;
  const starts = new Int32Array(rows + 1);
  const columns: number[] = [];
  const factors: number[] = [];
  const sums = new Map<number, number>();
  for (let row = 0; row < rows; row++) {
    sums.clear();
    const add = (middle: number, factor: number) =>
      map.forRow(middle, (_, column, coefficient) => {
        sums.set(column, (sums.get(column) ?? 0) + factor * coefficients[coefficient]!);
      });
    if (left === undefined) add(row, 1);
    else for (let at = left.starts[row]!; at < left.starts[row + 1]!; at++) add(left.columns[at]!, left.factors[at]!);
    for (const [column, factor] of sums) {
      if (factor === 0) continue;
      columns.push(column);
      factors.push(factor);
    }
    if (columns.length > mostEntries) return "too large";
    starts[row + 1] = columns.length;
  }
  return { starts, columns: Int32Array.from(columns), factors: Float64Array.from(factors) };
}
