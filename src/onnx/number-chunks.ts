import { type BadElement, bytesPerNumber, type NumberFormat } from "../weights/number-formats.ts";
import type { ByteRange } from "./wire-scan.ts";

/** Elements that are handled at a time: few enough that copies of them do not matter. */
const chunkElements = 2 ** 18;

/** Numbers where they lie. Nothing is copied or converted until the chunks are asked for, one after another. */
export interface StoredData {
  readonly format: NumberFormat;
  readonly count: number;
  /** Their bytes in this format, lowest byte first. */
  chunks(): Iterable<Uint8Array>;
}

/** Numbers stored one after another; `read` gives some of their bytes. */
export function plainData(
  format: NumberFormat,
  count: number,
  read: (at: number, size: number) => Uint8Array,
): StoredData {
  const step = chunkElements * bytesPerNumber(format);
  const size = count * bytesPerNumber(format);
  return {
    format,
    count,
    *chunks() {
      for (let at = 0; at < size; at += step) yield read(at, Math.min(step, size - at));
    },
  };
}

/** Numbers of a typed field whose elements have a fixed size. */
export function fixedData(bytes: Uint8Array, ranges: readonly ByteRange[], format: NumberFormat): StoredData {
  const joined = joinedRanges(bytes, ranges);
  return plainData(format, joined.length / bytesPerNumber(format), (at, size) => joined.subarray(at, at + size));
}

/** Numbers of a typed field of varints, which the scan has found to be whole. Stops at one that its format has not. */
export function varintData(
  bytes: Uint8Array,
  ranges: readonly ByteRange[],
  format: NumberFormat,
  refuse: (bad: BadElement) => never,
): StoredData {
  const joined = joinedRanges(bytes, ranges);
  let count = 0;
  // The last byte of a varint, and no other, is below 128.
  for (const byte of joined) if (byte < 0x80) count++;
  return { format, count, chunks: () => varintChunks(joined, count, format, refuse) };
}

/** What a varint may be in a format narrower than the field; 16-bit floats are stored as their bits. */
const varintRanges: { readonly [format in NumberFormat]?: readonly [number, number] } = {
  bool: [0, 1],
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32768, 32767],
  u16: [0, 65535],
  f16: [0, 65535],
  bf16: [0, 65535],
  u32: [0, 2 ** 32 - 1],
};

function* varintChunks(
  bytes: Uint8Array,
  count: number,
  format: NumberFormat,
  refuse: (bad: BadElement) => never,
): Iterable<Uint8Array> {
  const width = bytesPerNumber(format);
  const range = varintRanges[format];
  let at = 0;
  for (let first = 0; first < count; first += chunkElements) {
    const elements = Math.min(chunkElements, count - first);
    const chunk = new DataView(new ArrayBuffer(elements * width));
    for (let i = 0; i < elements; i++) {
      let low = 0;
      let high = 0;
      for (let bit = 0, byte = 0x80; byte >= 0x80; bit += 7) {
        byte = bytes[at++]!;
        const seven = byte & 0x7f;
        if (bit <= 28) low |= seven << bit;
        if (bit === 28) high = seven >> 4;
        else if (bit > 28) high |= seven << (bit - 32);
      }
      if (range !== undefined) {
        const value = format === "u32" ? (high >>> 0) * 2 ** 32 + (low >>> 0) : low;
        const [least, most] = range;
        if (value < least || value > most) {
          refuse({ index: first + i, value: `${value}`, allowed: `${least} to ${most}` });
        }
      }
      if (width === 1) chunk.setInt8(i, low);
      else if (width === 2) chunk.setInt16(2 * i, low, true);
      else chunk.setInt32(width * i, low, true);
      if (width === 8) chunk.setInt32(8 * i + 4, high, true);
    }
    yield new Uint8Array(chunk.buffer);
  }
}

function joinedRanges(bytes: Uint8Array, ranges: readonly ByteRange[]): Uint8Array {
  const [only] = ranges;
  if (only !== undefined && ranges.length === 1) return bytes.subarray(only.begin, only.end);
  const joined = new Uint8Array(ranges.reduce((size, { begin, end }) => size + end - begin, 0));
  let at = 0;
  for (const { begin, end } of ranges) {
    joined.set(bytes.subarray(begin, end), at);
    at += end - begin;
  }
  return joined;
}
