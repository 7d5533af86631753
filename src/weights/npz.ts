import { inflateRawSync } from "node:zlib";
import { fail } from "../base/diagnostic.ts";
import type { Tensor } from "../base/tensor.ts";
import { refuseOtherContent } from "./file-kind.ts";
import { readNpy } from "./npy.ts";
import { readZipDirectory, type ZipEntry } from "./zip.ts";

/** Most bytes all arrays of one archive may unpack to. */
const maxUnpackedBytes = 2 ** 31;
/** No deflated stream is larger than its content divided by this. */
const largestDeflateRatio = 1032;

/**
 * Reads the arrays of an archive as numpy.savez and savez_compressed write it, by name without `.npy`. Every entry is
 * unpacked with a limit and checked against its checksum. Throws a SealwrightError for anything else.
 */
export function readNpz(bytes: Uint8Array, path: string): Map<string, Tensor> {
  if (!(bytes[0] === 0x50 && bytes[1] === 0x4b)) {
    refuseOtherContent(bytes, "a zip archive of NumPy arrays (.npz)", path);
    damaged(path, "it does not begin with the bytes PK");
  }
  const entries = readZipDirectory(bytes, path);
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (total > maxUnpackedBytes) fail("npz-too-large", { path }, { bytes: total, limit: maxUnpackedBytes });
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    if (!entry.name.endsWith(".npy")) damaged(path, `'${entry.name}' is no .npy array`);
    const name = entry.name.slice(0, -".npy".length);
    if (tensors.has(name)) damaged(path, `'${entry.name}' is there twice`);
    tensors.set(name, readNpy(unpack(entry, path), path, { name }));
  }
  return tensors;
}

function unpack(entry: ZipEntry, path: string): Uint8Array {
  const { name, data, size, method } = entry;
  const lies = () => damaged(path, `'${name}' does not unpack to the ${size} bytes it claims`);
  let content = data;
  if (method === "deflate") {
    if (size > data.length * largestDeflateRatio) lies();
    try {
      // The limit must not be zero; an empty entry that is not empty is caught below.
      content = inflateRawSync(data, { maxOutputLength: Math.max(size, 1) });
    } catch {
      lies();
    }
  }
  if (content.length !== size) lies();
  if (entry.checksumOf(content) !== entry.checksum) damaged(path, `the checksum of '${name}' is wrong`);
  return content;
}

function damaged(path: string, reason: string): never {
  return fail("npz-damaged", { path }, { reason });
}
