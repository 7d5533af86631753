import { fail } from "../base/diagnostic.ts";
import type { JsonCursor } from "../base/json-cursor.ts";

/** What the JSON of a file begins with, logically: its kind, the version of its format, features a reader must know. */
export interface FileKind {
  readonly format: string;
  readonly version: number;
  /** In words. */
  readonly what: string;
}

export const headingKeys = ["format", "version", "requires"] as const;

/** Stops unless a file is of the kind and version wanted. Looks at nothing else, which other versions may have otherwise. */
export function checkHeading(cursor: JsonCursor, kind: FileKind): void {
  const format = cursor.has("format") ? cursor.field("format").raw : undefined;
  if (format !== kind.format) {
    const found =
      format === undefined ? "it has no field 'format'" : `its format is ${JSON.stringify(format).slice(0, 60)}`;
    fail("not-a-plan", cursor.place, { needed: kind.what, found });
  }
  const version = cursor.field("version").integer(0, Number.MAX_SAFE_INTEGER);
  if (version !== kind.version) {
    const compiler = cursor.has("compiler") ? cursor.field("compiler").raw : undefined;
    const known = typeof compiler === "string" ? compiler.slice(0, 40) : undefined;
    fail("plan-version", cursor.field("version").place, {
      what: kind.what,
      found: version,
      reads: kind.version,
      compiler: known,
    });
  }
  const features = cursor.field("requires").list(64);
  if (features.length > 0) {
    const names = features.map((feature) => feature.text().slice(0, 40));
    fail("plan-feature", cursor.field("requires").place, { what: kind.what, features: names });
  }
}
