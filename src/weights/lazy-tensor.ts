import { fail } from "../base/diagnostic.ts";
import type { StoredNumbers } from "./number-formats.ts";

/** Largest rank a file may declare; what networks use is far below. */
const maxRank = 64;

/** Stops at the first element that is no finite number, or none that a double holds exactly. */
export function checkElements(name: string, numbers: StoredNumbers, path: string): void {
  const bad = numbers.firstBad();
  if (bad !== undefined) fail("tensor-value", { path, part: name }, { tensor: name, ...bad });
}

/** The number of elements of a declared shape, or undefined when no memory could hold that many. */
export function declaredCount(shape: readonly number[]): number | undefined {
  if (shape.length > maxRank || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return undefined;
  // A zero anywhere empties the tensor, however large its other sizes are.
  if (shape.includes(0)) return 0;
  const count = shape.reduce((product, size) => product * size, 1);
  return Number.isSafeInteger(count) ? count : undefined;
}
