import { fail } from "../base/diagnostic.ts";
import { describeContent } from "../weights/file-kind.ts";

/** Stops when bytes that are no ONNX model are recognised as something else. */
export function refuseOtherFile(bytes: Uint8Array, path: string): void {
  const kind = describeContent(bytes) ?? (isText(bytes.subarray(0, 256)) ? "text" : undefined);
  if (kind === undefined || kind === "an ONNX model") return;
  const lfs = kind.startsWith("a Git LFS");
  const remedy = lfs ? "run 'git lfs pull' in the repository it comes from" : undefined;
  fail("onnx-file-kind", { path }, { found: bytes.length === 0 ? "is empty" : `is ${kind}`, remedy });
}

/** Whether a file begins like a text: in a model there are tags and lengths below the letters. */
function isText(start: Uint8Array): boolean {
  return start.length >= 16 && start.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}
