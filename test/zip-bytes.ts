import { crc32, deflateRawSync } from "node:zlib";

/** One file of an archive. */
export interface Entry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly deflate?: boolean;
  /** Fields of the directory that lie. */
  readonly size?: number;
  readonly method?: number;
  readonly flags?: number;
  readonly checksum?: number;
  readonly localName?: string;
  /** As numpy writes entries: sizes left to a zip64 field that the directory does not have. */
  readonly numpy?: boolean;
  /** Reuses the data of the entry before. */
  readonly shared?: boolean;
}

/** Bytes, and a number stored in so many, lowest first. */
type Field = readonly [2 | 4, number];

function packed(fields: readonly Field[]): Uint8Array {
  const bytes = fields.flatMap(([size, value]) => Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 255));
  return Uint8Array.from(bytes);
}

/** A zip archive, as numpy.savez makes it or with any fault. */
export function zip(entries: readonly Entry[], comment = ""): Uint8Array {
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  let previous = 0;
  for (const entry of entries) {
    const data = entry.deflate ? deflateRawSync(entry.content) : entry.content;
    const method = entry.method ?? (entry.deflate ? 8 : 0);
    const checksum = entry.checksum ?? crc32(entry.content);
    const size = entry.size ?? entry.content.length;
    const fields = (name: Uint8Array, local: boolean, offset: number): Uint8Array => {
      const sizes = local && entry.numpy ? [0xffffffff, 0xffffffff] : [data.length, size];
      const extra = new Uint8Array(local && entry.numpy ? 20 : 0);
      const common: Field[] = [
        [2, 20],
        [2, entry.flags ?? 0],
        [2, method],
        [4, 0],
        [4, checksum],
      ];
      common.push([4, sizes[0]!], [4, sizes[1]!], [2, name.length], [2, extra.length]);
      const head: Field[] = local
        ? [[4, 0x04034b50], ...common]
        : [[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]];
      return Buffer.concat([packed(head), name, extra]);
    };
    const encode = (name: string) => new TextEncoder().encode(name);
    if (!entry.shared) {
      previous = at;
      const local = Buffer.concat([fields(encode(entry.localName ?? entry.name), true, 0), data]);
      parts.push(local);
      at += local.length;
    }
    central.push(fields(encode(entry.name), false, previous));
  }
  const directory = Buffer.concat(central);
  const end = packed([
    [4, 0x06054b50],
    [4, 0],
    [2, entries.length],
    [2, entries.length],
    [4, directory.length],
    [4, at],
    [2, comment.length],
  ]);
  return Buffer.concat([...parts, directory, end, new TextEncoder().encode(comment)]);
}
