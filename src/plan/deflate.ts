import { inflateRawSync } from "node:zlib";

/**
 * Lossless packing in the deflate format (RFC 1951). The encoder is our own, because zlib's output changes from version to
 * version and from machine to machine, and equal inputs must give equal plans. Fixed codes, longest match first found.
 */
export function deflate(bytes: Uint8Array): Uint8Array {
  const out = new BitWriter();
  out.bits(0b011, 3); // the only block, fixed codes
  const matches = new Matches(bytes);
  for (let at = 0; at < bytes.length; ) {
    const { length, distance } = matches.longestAt(at);
    if (length < leastMatch) {
      out.literal(bytes[at]!);
      matches.pass(at++);
      continue;
    }
    out.length(length);
    out.distance(distance);
    for (const end = at + length; at < end; at++) matches.pass(at);
  }
  out.endOfBlock();
  return out.finish();
}

/** Undoes `deflate`; undefined when the bytes are no deflated stream of exactly `length` bytes. */
export function inflate(bytes: Uint8Array, length: number): Uint8Array | undefined {
  try {
    const content = inflateRawSync(bytes, { maxOutputLength: Math.max(1, length) });
    return content.length === length ? content : undefined;
  } catch {
    return undefined;
  }
}

const leastMatch = 4;
const longestMatch = 258;
const windowBytes = 2 ** 15;
/** Earlier places tried for a match. */
const maxTries = 48;
const hashBits = 16;

/** Finds earlier places where the bytes from here on stood before, through chains of places with equal hashes. */
class Matches {
  readonly #bytes: Uint8Array;
  readonly #latest = new Int32Array(2 ** hashBits).fill(-1);
  readonly #before: Int32Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#before = new Int32Array(bytes.length);
  }

  longestAt(at: number): { readonly length: number; readonly distance: number } {
    const bytes = this.#bytes;
    const most = Math.min(longestMatch, bytes.length - at);
    let [length, distance] = [0, 0];
    if (most < leastMatch) return { length, distance };
    let place = this.#latest[this.#hash(at)]!;
    for (let tries = maxTries; tries > 0 && place >= 0 && at - place <= windowBytes; tries--) {
      // A longer match must also agree where the best one ended.
      if (bytes[place + length] === bytes[at + length]) {
        let same = 0;
        while (same < most && bytes[place + same] === bytes[at + same]) same++;
        if (same > length) [length, distance] = [same, at - place];
        if (length === most) break;
      }
      place = this.#before[place]!;
    }
    return { length, distance };
  }

  /** Remembers a place for later matches. */
  pass(at: number): void {
    if (at + leastMatch > this.#bytes.length) return;
    const hash = this.#hash(at);
    this.#before[at] = this.#latest[hash]!;
    this.#latest[hash] = at;
  }

  #hash(at: number): number {
    const b = this.#bytes;
    const word = b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
    return Math.imul(word, 0x9e3779b1) >>> (32 - hashBits);
  }
}

/** Smallest value of each code, and how many extra bits follow it. */
const lengthCodes = codeTable(3, (code) => (code < 8 || code === 28 ? 0 : (code >> 2) - 1), 29);
const distanceCodes = codeTable(1, (code) => (code < 4 ? 0 : (code >> 1) - 1), 30);

function codeTable(least: number, extraBits: (code: number) => number, count: number) {
  const table: { readonly least: number; readonly extra: number }[] = [];
  for (let code = 0, next = least; code < count; code++) {
    const extra = extraBits(code);
    // The last length code stands for 258 alone, not for what would come next.
    table.push({ least: count === 29 && code === 28 ? longestMatch : next, extra });
    next += 2 ** extra;
  }
  return table;
}

class BitWriter {
  #bytes = new Uint8Array(2 ** 12);
  #size = 0;
  #pending = 0;
  #count = 0;

  literal(byte: number): void {
    if (byte < 144) this.#code(0x30 + byte, 8);
    else this.#code(0x190 + byte - 144, 9);
  }

  length(length: number): void {
    const code = codeOf(lengthCodes, length);
    if (code < 23) this.#code(code + 1, 7);
    else this.#code(0xc0 + code - 23, 8);
    this.#rest(lengthCodes, code, length);
  }

  distance(distance: number): void {
    const code = codeOf(distanceCodes, distance);
    this.#code(code, 5);
    this.#rest(distanceCodes, code, distance);
  }

  endOfBlock(): void {
    this.#code(0, 7);
  }

  /** Low bits first. */
  bits(value: number, count: number): void {
    this.#pending |= value << this.#count;
    this.#count += count;
    for (; this.#count >= 8; this.#count -= 8, this.#pending >>>= 8) this.#byte(this.#pending & 255);
  }

  finish(): Uint8Array {
    if (this.#count > 0) this.#byte(this.#pending & 255);
    return this.#bytes.slice(0, this.#size);
  }

  /** Codes stand in the stream with their high bit first. */
  #code(code: number, count: number): void {
    let turned = 0;
    for (let i = 0; i < count; i++) turned |= ((code >> i) & 1) << (count - 1 - i);
    this.bits(turned, count);
  }

  #rest(table: typeof lengthCodes, code: number, value: number): void {
    this.bits(value - table[code]!.least, table[code]!.extra);
  }

  #byte(byte: number): void {
    if (this.#size === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#size++] = byte;
  }
}

function codeOf(table: typeof lengthCodes, value: number): number {
  let code = table.length - 1;
  while (table[code]!.least > value) code--;
  return code;
}
