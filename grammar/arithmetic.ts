import type { AttrValue } from "../src/ops/attributes.ts";

/** Results beyond are no dimensions, and products of products must not grow without end. */
const largest = 2n ** 64n;

export type Operator = "+" | "-" | "*";

export function isInteger(value: AttrValue): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
}

/** Exact integer arithmetic: a number where it is exact, else a bigint; undefined beyond 2^64. */
export function calculate(
  operator: Operator,
  left: number | bigint,
  right: number | bigint,
): number | bigint | undefined {
  const [a, b] = [BigInt(left), BigInt(right)];
  const result = operator === "+" ? a + b : operator === "-" ? a - b : a * b;
  if (result > largest || result < -largest) return undefined;
  return Number.isSafeInteger(Number(result)) ? Number(result) : result;
}
