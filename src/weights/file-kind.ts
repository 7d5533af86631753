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
  // Its length field may begin like anything.
  if (start.startsWith("\0\0\0\0{", 4)) return "a safetensors file";
  const known = signatures.find(([signature]) => start.startsWith(signature));
  if (known !== undefined) return known[1];
  if (/^\s*[{[]\s*["{[\]}\d]/.test(start)) return "JSON";
  // The version of the format as a number below 32, then a field that ONNX models have.
  const onnx = bytes[0] === 0x08 && bytes[1]! < 32 && [0x12, 0x1a, 0x22, 0x3a, 0x42].includes(bytes[2]!);
  return onnx ? "an ONNX model" : undefined;
}

/** Stops when the content is recognised as something else than what is needed. */
export function refuseOtherContent(bytes: Uint8Array, needed: string, path: string): void {
  const found = describeContent(bytes);
  if (found === undefined || found === needed) return;
  const remedy = found.startsWith("a Git LFS") ? "run 'git lfs pull' in the repository it comes from" : undefined;
  fail("weights-file-kind", { path }, { found, needed, remedy });
}
