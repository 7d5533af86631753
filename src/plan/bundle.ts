import { fail } from "../base/diagnostic.ts";
import { type JsonInput, parseJson, printJson } from "../base/json.ts";
import { JsonCursor } from "../base/json-cursor.ts";
import { checkHeading, type FileKind, headingKeys } from "./file-heading.ts";
import type { ClientView } from "./plan.ts";
import { contentHash } from "./plan-id.ts";
import { clientKeys, decodeClient, decodeClientTotals, encodeClient, encodeClientTotals } from "./plan-json.ts";

const bundleKind: FileKind = { format: "sealwright-client-bundle", version: 2, what: "client bundle" };
/** A bundle has some hundred bytes for each input, output and key. */
const maxBundleBytes = 2 ** 24;

/** What is read from a bundle: exactly the client's view of its plan. */
export type ClientBundle = ClientView;

/** The file for a client: JSON with what it needs of a plan and nothing about the weights. Equal plans give equal bytes. */
export function writeBundle(view: ClientView): Uint8Array {
  const description: { readonly [key: string]: JsonInput } = {
    format: bundleKind.format,
    version: bundleKind.version,
    requires: [],
    planId: view.id,
    ...encodeClient(view),
    totals: encodeClientTotals(view.cost.totals),
  };
  const checksum = contentHash(description);
  return new TextEncoder().encode(`${printJson({ ...description, checksum })}\n`);
}

/**
 * Reads a client bundle and checks its form and checksum. What it means is for `verifyClient` to check.
 * Throws a SealwrightError when the file is no bundle, damaged, or of another version.
 */
export function readBundle(bytes: Uint8Array, path: string): ClientBundle {
  const cursor = new JsonCursor(parseJson(bytes, { path, limit: maxBundleBytes }), path);
  checkHeading(cursor, bundleKind);
  const at = cursor.object([...headingKeys, ...clientKeys, "planId", "totals", "checksum"]);
  const stated = at.checksum.text();
  const computed = contentHash(new Map([...cursor.map()].filter(([key]) => key !== "checksum")));
  if (stated !== computed) fail("plan-damaged", at.checksum.place, { what: bundleKind.what, stated, computed });
  const id = at.planId.text();
  if (!/^[0-9a-f]{64}$/.test(id)) at.planId.wrong("a plan id of 64 hexadecimal digits");
  return { ...decodeClient(at, id), cost: { totals: decodeClientTotals(at.totals) } };
}

/** Whether a file is a client bundle by its content, so that commands can take either a plan or a bundle. */
export function isBundle(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 0x7b && new TextDecoder().decode(bytes.subarray(0, maxBundleBytes)).includes(`"${bundleKind.format}"`)
  );
}
