import type { LinearMap } from "../base/linear-map.ts";
import type { NodeId } from "../ir/graph.ts";

/** A value as it is shown to a client: element `e` is `factors[e]` times the value's element `order[e]`. */
export interface BlindedValue {
  /** Undefined where elements keep their places. */
  readonly order: Int32Array | undefined;
  /** Undefined where all are 1. */
  readonly factors: Float64Array | undefined;
}

/** What is blinded of a linear layer. */
export interface BlindedLayer {
  readonly result: BlindedValue | undefined;
  /** By encrypted operand. */
  readonly operands: readonly (BlindedValue | undefined)[];
}

/** By node of the program. */
export type BlindedLayers = ReadonlyMap<NodeId, BlindedLayer>;

/** The layer that takes blinded operands and makes a blinded result: as many terms, other coefficients. */
export function blindedMap(
  map: LinearMap,
  coefficients: Float64Array,
  { result, operands }: BlindedLayer,
): { readonly map: LinearMap; readonly coefficients: Float64Array } {
  const places = operands.map((operand) => operand?.order && inverse(operand.order));
  const reordered: LinearMap = {
    ...map,
    forRow: (row, visit) =>
      map.forRow(result?.order?.[row] ?? row, (input, column, coefficient) =>
        visit(input, places[input]?.[column] ?? column, coefficient),
      ),
    // Elements in another order are no image any more.
    kernels: undefined,
  };
  const dividers = operands.map((operand) => operand?.factors);
  const factors = result?.factors;
  if (factors === undefined && dividers.every((d) => d === undefined)) return { map: reordered, coefficients };

  // With a factor for each element, terms that share a weight no longer do.
  const starts = new Int32Array(map.outputSize + 1);
  for (let row = 0; row < map.outputSize; row++) {
    let count = starts[row]!;
    reordered.forRow(row, () => count++);
    starts[row + 1] = count;
  }
  const own = new Float64Array(starts[map.outputSize]!);
  for (let row = 0, term = 0; row < map.outputSize; row++) {
    const factor = factors?.[row] ?? 1;
    reordered.forRow(row, (input, column, coefficient) => {
      own[term++] = (coefficients[coefficient]! * factor) / (dividers[input]?.[column] ?? 1);
    });
  }
  const forRow: LinearMap["forRow"] = (row, visit) => {
    let term = starts[row]!;
    reordered.forRow(row, (input, column) => visit(input, column, term++));
  };
  return { map: { ...reordered, forRow }, coefficients: own };
}

/** Numbers by element of a value, as a client is shown them. */
export function blinded(data: Float64Array, value: BlindedValue | undefined): Float64Array {
  if (value === undefined) return data;
  const { order, factors } = value;
  return data.map((_, e) => data[order?.[e] ?? e]! * (factors?.[e] ?? 1));
}

function inverse(order: Int32Array): Int32Array {
  const places = new Int32Array(order.length);
  for (let e = 0; e < order.length; e++) places[order[e]!] = e;
  return places;
}
