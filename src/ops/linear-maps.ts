import type { LinearMap } from "../base/linear-map.ts";

const one = Float64Array.of(1);

/** Copies: row `r` of the result is element `source(r)` of the only operand. */
export function selection(inputSize: number, outputSize: number, source: (row: number) => number): LinearMap {
  return {
    inputSizes: [inputSize],
    outputSize,
    forRow: (row, visit) => visit(0, source(row), 0),
    coefficients: () => one,
    bias: () => undefined,
  };
}

export function identityMap(size: number): LinearMap {
  return selection(size, size, (row) => row);
}
