import { fail } from "../base/diagnostic.ts";

const signatures: readonly (readonly [string, string])[] = [
  ["\x89PNG", "a PNG image"],
  ["\xff\xd8\xff", "a JPEG image"],
  ["\x1f\x8b", "a gzip archive"],
  ["BZh", "a bzip2 archive"],
  ["\xfd7zXZ", "an xz archive"],
  ["\x28\xb5\x2f\xfd", "a zstd archive"],
  ["PK\x03\x04", "a zip archive (.npz, or weights of PyTorch)"],
  ["\x93NUMPY", "a NumPy array (.npy)"],
  ["\x89HDF", "an HDF5 file"],
  ["%PDF", "a PDF document"],
  ["GGUF", "a GGUF model"],
  ["\x7fELF", "a program"],
  ["\x80\x02", "a Python pickle"],
  ["\x80\x03", "a Python pickle"],
  ["\x80\x04", "a Python pickle"],
  ["\x80\x05", "a Python pickle"],
  ["\xff\xfe", "UTF-16 text"],
  ["\xfe\xff", "UTF-16 text"],
  ["<!DOCTYPE", "a web page"],
  ["<!doctype", "a web page"],
  ["<html", "a web page"],
];

/** What a file is by its first bytes, in words; undefined when they say nothing. */
export function describeContent(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "an empty file";
  const start = String.fromCharCode(...bytes.subarray(0, 512));
  if (start.startsWith("version https://git-lfs")) {
    const size = /^size (\d+)$/m.exec(start)?.[1];
    return `a Git LFS pointer${size === undefined ? "" : ` to ${size} bytes`} that were not fetched`;
  }
  const known = signatures.find(([signature]) => start.startsWith(signature));
  if (known !== undefined) return known[1];
  if (/^\s*[{[]/.test(start)) return "JSON";
  // The version of the format, then the name of the producer or its version.
  if (/^\x08[\x01-\x1f](?:\x12|\x1a|\x22|\x3a)/.test(start)) return "an ONNX model";
  return undefined;
}

/** Stops when the content is recognised as something else than what is needed. */
export function refuseOtherContent(bytes: Uint8Array, needed: string, path: string): void {
  const found = describeContent(bytes);
  if (found === undefined) return;
  const remedy = found.startsWith("a Git LFS") ? "run 'git lfs pull' in the repository it comes from" : undefined;
  fail("weights-file-kind", { path }, { found, needed, remedy });
}
