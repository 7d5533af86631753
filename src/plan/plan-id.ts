import { createHash } from "node:crypto";
import { type FilePlace, fail } from "../base/diagnostic.ts";
import { type JsonInput, printJson } from "../base/json.ts";
import type { Tensor } from "../base/tensor.ts";
import { littleEndianBytes } from "../weights/number-formats.ts";

/**
 * SHA-256, hexadecimal, over a description in its one canonical text and the shapes and numbers of tensors by name. It does
 * not depend on how the numbers are stored.
 */
export function contentHash(description: JsonInput, tensors: ReadonlyMap<string, Tensor> = new Map()): string {
  const hash = createHash("sha256").update(printJson(description));
  for (const [name, { shape, data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // A line break cannot stand in canonical JSON, so no tensor can pass for a part of the description.
    hash.update(`\n${printJson([name, shape])}\n`).update(littleEndianBytes(data));
  }
  return hash.digest("hex");
}

/** Stops when keys, ciphertexts or a bundle were made for another plan. */
export function checkSamePlan(expected: string, found: string, place: FilePlace | "nowhere"): void {
  if (expected !== found) fail("plan-id-mismatch", place, { expected, found });
}
