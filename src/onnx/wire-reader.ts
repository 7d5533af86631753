import { fail } from "../base/diagnostic.ts";
import { refuseOtherFile } from "./file-kind.ts";

/** What can follow the number of a field. Groups, 3 and 4, are not used by ONNX. */
export const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, startGroup: 3, fixed32: 5 } as const;

/** Reads a file in the wire format of Protocol Buffers from front to back, and says at which byte it stops making sense. */
export class WireReader {
  readonly bytes: Uint8Array;
  readonly path: string;
  /** The next byte. */
  at = 0;
  /** The field it is part of, which messages name, and where that begins. */
  message = "";
  field = 0;
  start = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.bytes = bytes;
    this.path = path;
  }

  /** Reads the number and the wire type of the next field of a message that ends at `end`. */
  tag(message: string, end: number): number {
    this.message = message;
    this.start = this.at;
    const tag = this.varint(end);
    this.field = Math.floor(tag / 8);
    return tag % 8;
  }

  /** Reads a varint that ends before `end`, as a double: exact where it is below 2^53. */
  varint(end: number): number {
    const start = this.at;
    let value = 0;
    for (let i = 0; i < 10; i++) {
      if (this.at >= end) return this.bad("it was cut off inside a number", this.at);
      const byte = this.bytes[this.at++]!;
      if (i === 9 && byte > 1) break;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    return this.bad("a number has more than 64 bits", start);
  }

  /** Reads the length of what comes next; where that ends. */
  length(end: number): number {
    const start = this.at;
    const length = this.varint(end);
    const left = end - this.at;
    if (length > left) {
      const cut = this.at + length > this.bytes.length ? "it was cut off, " : "";
      this.bad(`${cut}${this.words} claims ${length} bytes, ${left} are left`, start);
    }
    return this.at + length;
  }

  /** Goes past the content of a field. */
  skip(wireType: number, end: number): void {
    switch (wireType) {
      case wireTypes.varint:
        this.varint(end);
        return;
      case wireTypes.fixed32:
        this.#step(4, end);
        return;
      case wireTypes.fixed64:
        this.#step(8, end);
        return;
      case wireTypes.lengthDelimited:
        this.at = this.length(end);
        return;
      default:
        this.bad(`${this.words} has the wire type ${wireType}, which ONNX does not use`);
    }
  }

  #step(size: number, end: number): void {
    if (end - this.at < size) this.bad(`${this.words} needs ${size} bytes, ${end - this.at} are left`, this.at);
    this.at += size;
  }

  /** How messages call the field. */
  get words(): string {
    return `field ${this.field} of ${this.message}`;
  }

  bad(reason: string, offset = this.start): never {
    refuseOtherFile(this.bytes, this.path);
    return fail("onnx-bytes", { path: this.path }, { offset, reason });
  }

  tooMuch(what: string, found: string, limit: number): never {
    return fail("onnx-limit", { path: this.path }, { what, found, limit: `${limit}` });
  }
}
