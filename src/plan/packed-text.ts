import { fail } from "../base/diagnostic.ts";
import type { JsonInput } from "../base/json.ts";
import type { JsonCursor } from "../base/json-cursor.ts";
import { deflate, inflate } from "./deflate.ts";

/** Texts up to this many bytes stay readable; a program of thousands of products takes about a tenth when packed. */
const readableBytes = 2 ** 18;
/** No text of a graph that can be parsed is longer. */
const maxTextBytes = 2 ** 27;

/** A text as JSON: as it is, or, when it is long, deflated, in base64. */
export function packText(text: string): JsonInput {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= readableBytes) return text;
  return { deflate: Buffer.from(deflate(bytes)).toString("base64"), bytes: bytes.length };
}

export function unpackText(cursor: JsonCursor): string {
  if (typeof cursor.raw === "string") return cursor.raw;
  const at = cursor.object(["deflate", "bytes"]);
  const length = at.bytes.integer(0, maxTextBytes);
  const packed = at.deflate.text();
  const bytes = Buffer.from(packed, "base64");
  // Node skips what is no base64 instead of refusing it.
  if (bytes.toString("base64") !== packed) fail("plan-text", at.deflate.place, { reason: "it is no base64" });
  const content = inflate(bytes, length);
  if (content === undefined) {
    return fail("plan-text", at.deflate.place, { reason: `it does not unpack to the ${length} bytes it claims` });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return fail("plan-text", at.deflate.place, { reason: "it is no UTF-8" });
  }
}
