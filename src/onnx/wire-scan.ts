import { limits } from "../base/limits.ts";
import { ByteWriter } from "./byte-writer.ts";
import { refuseOtherFile } from "./file-kind.ts";
import { WireReader, wireTypes } from "./wire-reader.ts";
import { type Field, type MessageName, schema } from "./wire-schema.ts";

/** A half-open range of the file's bytes. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/** Where the numbers of one tensor lie: for each field of TensorProto that has some, by number, its pieces in order. */
export type NumberFields = ReadonlyMap<number, readonly ByteRange[]>;

export interface Scanned {
  /**
   * The same messages with only what is read of them. Each tensor with numbers has, instead of those, four bytes of
   * raw_data: its place in `numbers`, lowest byte first.
   */
  readonly skeleton: Uint8Array;
  readonly numbers: readonly NumberFields[];
}

/** What a file of the format can have at most. */
const maxBytes = 2 ** 31;
/** Messages inside one another. */
const maxDepth = 100;
const maxMessages = 2 ** 22;
/** Fields and elements of lists that become JavaScript values. */
const maxValues = 2 ** 24;

/** The number of TensorProto's raw_data. */
export const rawData = 9;

/**
 * Walks a file in the wire format of Protocol Buffers and checks all of it before anything is decoded: every length lies
 * within what it is part of, every field is one of ONNX with the wire type it has there, and nothing is larger, deeper
 * or more than a decoder can bear. Numbers of tensors are left where they are, so that decoding the rest is cheap.
 */
export function scanWire(bytes: Uint8Array, message: MessageName, path: string): Scanned {
  const reader = new WireReader(bytes, path);
  if (bytes.length === 0) refuseOtherFile(bytes, path);
  if (bytes.length > maxBytes) reader.tooMuch("the file has too many bytes", `${bytes.length}`, maxBytes);
  const scan = new WireScan(reader);
  scan.message(message, bytes.length, 0);
  return { skeleton: scan.writer.bytes, numbers: scan.numbers };
}

class WireScan {
  readonly writer = new ByteWriter();
  readonly numbers: NumberFields[] = [];
  readonly #reader: WireReader;
  #messages = 0;
  #nodes = 0;
  #values = 0;

  constructor(reader: WireReader) {
    this.#reader = reader;
  }

  /** The fields from here to `end`. */
  message(name: MessageName, end: number, depth: number): void {
    const reader = this.#reader;
    this.#countMessage(name, depth);
    const fields = schema[name];
    let numbers: Map<number, ByteRange[]> | undefined;
    let seen = 0;
    while (reader.at < end) {
      const wireType = reader.tag(name, end);
      if (wireType === wireTypes.startGroup) this.#refuseGroups(end);
      const number = reader.field;
      const field = fields[number] ?? reader.bad(`${name} has no field ${number} that is known`);
      if (field.kind === "skipped") {
        reader.skip(wireType, end);
      } else if (field.kind === "numbers") {
        numbers ??= new Map();
        const ranges = numbers.get(number) ?? [];
        numbers.set(number, ranges);
        ranges.push(this.#numbers(field.element, wireType, end));
      } else {
        // Readers differ in which of two they take.
        if (!field.repeated && (seen & (1 << number)) !== 0) reader.bad(`${reader.words} is there twice`);
        seen |= 1 << number;
        if ("of" in field) this.#inner(field, wireType, end, depth);
        else if (field.kind === "text" || field.kind === "bytes") this.#content(field.kind, wireType, end);
        else if (field.kind === "int32") this.#int32(wireType, end);
        else this.#scalars(field.kind, field.repeated, wireType, end);
      }
    }
    if (numbers === undefined) return;
    this.#writeTag(rawData, wireTypes.lengthDelimited);
    this.writer.varint(4);
    this.writer.uint32(this.numbers.length);
    this.numbers.push(numbers);
  }

  #inner(field: Field & { readonly of: MessageName }, wireType: number, end: number, depth: number): void {
    this.#expect(wireType, wireTypes.lengthDelimited);
    const inner = this.#reader.length(end);
    this.#writeTag(this.#reader.field, wireType);
    const opened = this.writer.openLength();
    this.message(field.of, inner, depth + 1);
    if (field.kind === "emptied") this.writer.truncate(opened);
    this.writer.closeLength(opened);
  }

  #content(kind: "text" | "bytes", wireType: number, end: number): void {
    const reader = this.#reader;
    this.#countValue();
    this.#expect(wireType, wireTypes.lengthDelimited);
    const inner = reader.length(end);
    const content = reader.bytes.subarray(reader.at, inner);
    if (kind === "text" && !isUtf8(content)) reader.bad(`${reader.words} is no UTF-8 text`, reader.at);
    this.#writeTag(reader.field, wireType);
    this.writer.varint(content.length);
    this.writer.copy(content);
    reader.at = inner;
  }

  /** One number, or in a list many of them packed into one field. */
  #scalars(kind: "int64" | "fixed32", repeated: boolean, wireType: number, end: number): void {
    const reader = this.#reader;
    const own = kind === "fixed32" ? wireTypes.fixed32 : wireTypes.varint;
    const packed = repeated && wireType === wireTypes.lengthDelimited;
    if (!packed) this.#expect(wireType, own);
    const inner = packed ? reader.length(end) : end;
    const first = reader.at;
    while (packed ? reader.at < inner : reader.at === first) {
      this.#countValue();
      reader.skip(own, inner);
    }
    this.#writeTag(reader.field, wireType);
    if (packed) this.writer.varint(inner - first);
    this.writer.copy(reader.bytes.subarray(first, reader.at));
  }

  /** Written in the one form that every decoder takes: in as few bytes as it needs, or ten when it is negative. */
  #int32(wireType: number, end: number): void {
    const reader = this.#reader;
    this.#countValue();
    this.#expect(wireType, wireTypes.varint);
    this.#writeTag(reader.field, wireType);
    const first = reader.at;
    const value = reader.varint(end);
    if (value < 2 ** 32) this.writer.varint(value);
    else if (value >= 2 ** 64 - 2 ** 31) this.writer.copy(reader.bytes.subarray(first, reader.at));
    else reader.bad(`${reader.words} has more than 32 bits`);
  }

  /** Where numbers of a tensor lie, one or many packed into one field. */
  #numbers(element: "varint" | "fixed32" | "fixed64" | "bytes", wireType: number, end: number): ByteRange {
    const reader = this.#reader;
    this.#countValue();
    const packed = wireType === wireTypes.lengthDelimited;
    if (!packed) this.#expect(wireType, element === "bytes" ? wireTypes.lengthDelimited : wireTypes[element]);
    const inner = packed ? reader.length(end) : end;
    const begin = reader.at;
    if (!packed) reader.skip(wireType, end);
    else if (element === "varint") while (reader.at < inner) reader.varint(inner);
    else {
      const width = { fixed32: 4, fixed64: 8, bytes: 1 }[element];
      const size = inner - begin;
      if (size % width !== 0) reader.bad(`${reader.words} has ${size} bytes, no multiple of ${width}`);
      reader.at = inner;
    }
    return { begin, end: reader.at };
  }

  #writeTag(field: number, wireType: number): void {
    this.writer.varint(field * 8 + wireType);
  }

  #expect(wireType: number, needed: number): void {
    const reader = this.#reader;
    if (wireType !== needed) reader.bad(`${reader.words} has the wire type ${wireType}, needed is ${needed}`);
  }

  #refuseGroups(end: number): never {
    const reader = this.#reader;
    let depth = 1;
    while (reader.at < end && reader.varint(end) % 8 === wireTypes.startGroup) {
      if (++depth > maxDepth) reader.tooMuch("groups lie too deep inside one another", `${depth}`, maxDepth);
    }
    return reader.bad(`${reader.words} is a group, which ONNX does not use`);
  }

  #countMessage(name: MessageName, depth: number): void {
    const reader = this.#reader;
    if (depth > maxDepth) reader.tooMuch("messages lie too deep inside one another", `${depth}`, maxDepth);
    if (++this.#messages > maxMessages)
      reader.tooMuch("the file has too many messages", `${this.#messages}`, maxMessages);
    if (name === "NodeProto" && ++this.#nodes > limits.nodes) {
      reader.tooMuch("the model has too many nodes", `${this.#nodes}`, limits.nodes);
    }
  }

  #countValue(): void {
    if (++this.#values > maxValues) this.#reader.tooMuch("the file has too many values", `${this.#values}`, maxValues);
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function isUtf8(bytes: Uint8Array): boolean {
  // Names are short and plain: asking a decoder takes longer.
  if (bytes.every((byte) => byte < 0x80)) return true;
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
