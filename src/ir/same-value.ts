/** Whether two attribute values are the same: numbers by value (-0 is not 0), lists, records and tensors by content. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Float64Array || b instanceof Float64Array) {
    const both = a instanceof Float64Array && b instanceof Float64Array;
    return both && a.length === b.length && a.every((v, i) => Object.is(v, b[i]));
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameValue((a as Fields)[key], (b as Fields)[key]))
  );
}

interface Fields {
  readonly [key: string]: unknown;
}
