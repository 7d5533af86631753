import { crc32 } from "node:zlib";
import { fail } from "../base/diagnostic.ts";

/** One file of a zip archive, still packed. */
export interface ZipEntry {
  readonly name: string;
  readonly method: "stored" | "deflate";
  readonly data: Uint8Array;
  /** Bytes it claims to unpack to. */
  readonly size: number;
  readonly checksum: number;
  readonly checksumOf: (content: Uint8Array) => number;
}

const signature = { local: 0x04034b50, central: 0x02014b50, end: 0x06054b50, end64Locator: 0x07064b50 } as const;
const bytesOf = { local: 30, central: 46, end: 22, end64Locator: 20 } as const;
const maxCommentBytes = 0xffff;
/** A field with this value has its number elsewhere (zip64). */
const elsewhere = 0xffffffff;

/**
 * The entries of a zip archive. The directory at its end is what counts; the header before each entry's data must not
 * contradict it, and data of two entries must not overlap. Throws a SealwrightError when the archive is damaged or uses
 * what this cannot read.
 */
export function readZipDirectory(bytes: Uint8Array, path: string): ZipEntry[] {
  return new ZipReader(bytes, path).entries();
}

class ZipReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #path: string;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
  }

  entries(): ZipEntry[] {
    const end = this.#findEnd();
    const locator = end - bytesOf.end64Locator;
    const zip64 = locator >= 0 && this.#u32(locator) === signature.end64Locator;
    const [count, size, start] = [this.#u16(end + 10), this.#u32(end + 12), this.#u32(end + 16)];
    if (zip64 || count === 0xffff || start === elsewhere) this.#unsupported("zip64 (more than 4 GB or 65,534 arrays)");
    if (this.#u16(end + 4) !== 0 || this.#u16(end + 6) !== 0) this.#unsupported("several volumes");
    if (this.#u16(end + 8) !== count) this.#damaged("its directory contradicts itself");
    if (start + size !== end) this.#damaged("its directory is not where it should be");
    const entries: ZipEntry[] = [];
    const ranges: (readonly [number, number])[] = [];
    let at = start;
    for (let i = 0; i < count; i++) {
      if (at + bytesOf.central > end || this.#u32(at) !== signature.central) this.#damaged("its directory is cut off");
      const length = bytesOf.central + this.#u16(at + 28) + this.#u16(at + 30) + this.#u16(at + 32);
      if (at + length > end) this.#damaged("its directory is cut off");
      const { entry, range } = this.#entry(at, start);
      entries.push(entry);
      ranges.push(range);
      at += length;
    }
    if (at !== end) this.#damaged("its directory holds more than its entries");
    this.#checkRanges(ranges);
    return entries;
  }

  /** The end record stands before a comment, whose length it must have right. */
  #findEnd(): number {
    const last = this.#bytes.length - bytesOf.end;
    for (let at = last; at >= Math.max(0, last - maxCommentBytes); at--) {
      if (this.#u32(at) === signature.end && at + bytesOf.end + this.#u16(at + 20) === this.#bytes.length) return at;
    }
    return this.#damaged("it has no directory; it may be cut off");
  }

  #entry(at: number, directory: number): { readonly entry: ZipEntry; readonly range: readonly [number, number] } {
    const flags = this.#u16(at + 8);
    const name = this.#name(at + bytesOf.central, this.#u16(at + 28), flags);
    const packed = this.#u32(at + 20);
    const size = this.#u32(at + 24);
    const local = this.#u32(at + 42);
    if ((flags & 0x2041) !== 0) this.#unsupported(`encryption ('${name}')`);
    if ([packed, size, local].includes(elsewhere)) this.#unsupported(`zip64 ('${name}' has 4 GB or more)`);
    const method = ({ 0: "stored", 8: "deflate" } as const)[this.#u16(at + 10)];
    if (method === undefined) return this.#unsupported(`compression method ${this.#u16(at + 10)} ('${name}')`);
    if (local + bytesOf.local > directory || this.#u32(local) !== signature.local) {
      this.#damaged(`'${name}' is not where the directory says`);
    }
    const nameLength = this.#u16(local + 26);
    const begin = local + bytesOf.local + nameLength + this.#u16(local + 28);
    if (begin + packed > directory) this.#damaged(`'${name}' reaches into the directory`);
    const sameName = this.#name(local + bytesOf.local, nameLength, this.#u16(local + 6)) === name;
    if (!sameName || this.#u16(local + 8) !== this.#u16(at + 10) || !this.#sameSizes(local, packed, size)) {
      this.#damaged(`the directory contradicts the header of '${name}'`);
    }
    const data = this.#bytes.subarray(begin, begin + packed);
    const entry = { name, method, data, size, checksum: this.#u32(at + 16), checksumOf: (c: Uint8Array) => crc32(c) };
    return { entry, range: [local, begin + packed] };
  }

  /** Local sizes may be left to the directory: when written as a stream, or, as numpy does it, with room for zip64. */
  #sameSizes(local: number, packed: number, size: number): boolean {
    const streamed = (this.#u16(local + 6) & 8) !== 0;
    const [ownPacked, ownSize] = [this.#u32(local + 18), this.#u32(local + 22)];
    if (streamed || (ownPacked === elsewhere && ownSize === elsewhere)) return true;
    return ownPacked === packed && ownSize === size;
  }

  #checkRanges(ranges: (readonly [number, number])[]): void {
    ranges.sort(([a], [b]) => a - b);
    for (let i = 1; i < ranges.length; i++) {
      if (ranges[i]![0] < ranges[i - 1]![1]) this.#damaged("two entries share their data");
    }
  }

  #name(at: number, length: number, flags: number): string {
    const bytes = this.#bytes.subarray(at, at + length);
    const utf8 = (flags & 0x800) !== 0;
    try {
      return new TextDecoder(utf8 ? "utf-8" : "latin1", { fatal: true }).decode(bytes);
    } catch {
      return this.#damaged("a name is no UTF-8");
    }
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #damaged(reason: string): never {
    return fail("npz-damaged", { path: this.#path }, { reason });
  }

  #unsupported(feature: string): never {
    return fail("npz-unsupported", { path: this.#path }, { feature });
  }
}
