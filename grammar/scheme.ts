import type { AttrValue } from "../src/ops/attributes.ts";
import type { Scheme } from "../src/scheme/parameters.ts";
import { bindArguments } from "./arguments.ts";
import type { SchemeStatement } from "./ast.ts";
import { dataOf } from "./evaluate.ts";
import { type Env, type Expansion, spanIn } from "./expansion.ts";
import { describeData } from "./values.ts";

const fields = ["degree", "primes", "special_prime", "scale", "security"] as const;
type Field = (typeof fields)[number];

/** How each field is read; undefined when the value is not allowed. Whether they make a secure scheme is checked by who uses it. */
const readers: { readonly [F in Field]: { readonly allowed: string; read(value: AttrValue): unknown } } = {
  degree: { allowed: "a power of two from 2 to 2^20", read: (v) => (isPowerOfTwo(v) ? v : undefined) },
  primes: { allowed: "a list of 1 to 256 integers from 2 to below 2^64", read: (v) => primesOf(v) },
  special_prime: { allowed: "an integer from 2 to below 2^64", read: (v) => primeOf(v) },
  scale: { allowed: "a number of bits from 0 to 1000", read: (v) => (isNumber(v, 0, 1000) ? v : undefined) },
  security: { allowed: "a number of bits from 0 to 1000", read: (v) => (isNumber(v, 0, 1000) ? v : undefined) },
};

/** Reads `scheme ckks(...)`; undefined when it was reported. */
export function readScheme(x: Expansion, statement: SchemeStatement, env: Env): Scheme | undefined {
  const { callee, arguments: given } = statement.call;
  if (callee.text !== "ckks") {
    const params = { field: "name", found: `'${callee.text}'`, allowed: "ckks" };
    x.report.at("bad-scheme", spanIn(env, callee), params);
    return undefined;
  }
  const parameters = fields.map((name) => ({ name, named: true }));
  const { bound, complete } = bindArguments(x, "scheme ckks", given, parameters, env);
  const values = new Map<Field, unknown>();
  for (const field of fields) {
    const e = bound.get(field)?.[0]?.value;
    const { allowed, read } = readers[field];
    if (e === undefined) {
      const span = spanIn(env, callee);
      if (complete) x.report.at("missing-parameter", span, { callee: "scheme ckks", parameter: field, allowed });
      continue;
    }
    const raw = dataOf(x, e, env, `'${field}' of the scheme`);
    const value = raw === undefined ? undefined : read(raw);
    if (value !== undefined) values.set(field, value);
    else if (raw !== undefined) x.report.at("bad-scheme", spanIn(env, e), { field, found: describeData(raw), allowed });
  }
  if (!complete || values.size < fields.length) return undefined;
  return {
    degree: values.get("degree") as number,
    primes: values.get("primes") as readonly bigint[],
    specialPrime: values.get("special_prime") as bigint,
    scaleBits: values.get("scale") as number,
    security: values.get("security") as number,
  };
}

function isNumber(value: AttrValue, low: number, high: number): value is number {
  return typeof value === "number" && value >= low && value <= high;
}

function isPowerOfTwo(value: AttrValue): boolean {
  return isNumber(value, 2, 2 ** 20) && Number.isInteger(Math.log2(value));
}

function primeOf(value: AttrValue): bigint | undefined {
  if (typeof value !== "bigint" && !(typeof value === "number" && Number.isSafeInteger(value))) return undefined;
  return value >= 2 ? BigInt(value) : undefined;
}

function primesOf(value: AttrValue): readonly bigint[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > 256) return undefined;
  const primes = value.map(primeOf);
  return primes.every((p) => p !== undefined) ? primes : undefined;
}
