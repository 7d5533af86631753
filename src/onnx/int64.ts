/** An int64 as onnx-proto gives it: two halves, or a number where it has no such class. */
export type Int64 = number | { readonly low: number; readonly high: number };

/**
 * An int64 as a double; undefined where a double cannot hold it. Exporters write the outermost integers for "to the very
 * end", and they may be rounded: any index or size is far from them.
 */
export function exactInteger(value: Int64): number | undefined {
  const found = typeof value === "number" ? value : value.high * 2 ** 32 + (value.low >>> 0);
  return Number.isSafeInteger(found) || Math.abs(found) === 2 ** 63 ? found : undefined;
}

/** How messages write an int64, every digit. */
export function integerWords(value: Int64): string {
  return typeof value === "number" ? `${value}` : `${(BigInt(value.high) << 32n) | BigInt(value.low >>> 0)}`;
}
