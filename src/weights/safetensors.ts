import { fail, invariant } from "../base/diagnostic.ts";
import { type JsonInput, parseJson, printJson } from "../base/json.ts";
import { JsonCursor } from "../base/json-cursor.ts";
import { elementCount, lazyTensor, type Tensor } from "../base/tensor.ts";
import { refuseOtherContent } from "./file-kind.ts";
import { asColumns, circulantKey, printShapes, withoutColumns } from "./first-columns.ts";
import { checkElements, declaredCount } from "./lazy-tensor.ts";
import { bytesPerNumber, fitsSingle, littleEndianBytes, type NumberFormat, StoredNumbers } from "./number-formats.ts";

/** The content of a safetensors file: eight bytes of header length, a JSON header, the data of the tensors one after another. */
export interface Safetensors {
  /** In the order of their data. Numbers are converted when they are first asked for. */
  readonly tensors: Map<string, Tensor>;
  /** The texts of `__metadata__`. */
  readonly metadata: Map<string, string>;
}

const formats: ReadonlyMap<string, NumberFormat> = new Map([
  ["F64", "f64"],
  ["F32", "f32"],
  ["F16", "f16"],
  ["BF16", "bf16"],
  ["I64", "i64"],
  ["I32", "i32"],
  ["I16", "i16"],
  ["I8", "i8"],
  ["U64", "u64"],
  ["U32", "u32"],
  ["U16", "u16"],
  ["U8", "u8"],
  ["BOOL", "bool"],
]);

const metadataKey = "__metadata__";
const lengthBytes = 8;
/** The limit of the reference implementation. */
const maxHeaderBytes = 100_000_000;

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly format: NumberFormat;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface ReadOptions {
  /** Lets NaN and infinities through. */
  readonly allowNonFinite?: boolean;
}

/**
 * Reads a safetensors file whose bytes are all accounted for: every tensor inside the data, none overlapping, no hole.
 * All numbers are checked to be finite and exact as doubles; a broken file throws a SealwrightError that says where.
 */
export function readSafetensors(bytes: Uint8Array, path: string, options: ReadOptions = {}): Safetensors {
  const header = readHeader(bytes, path);
  const data = bytes.subarray(lengthBytes + header.length);
  const entries: Entry[] = [];
  const metadata = new Map<string, string>();
  for (const [name, value] of header.json.map()) {
    const cursor = new JsonCursor(value, path, name);
    if (name !== metadataKey) entries.push(readEntry(name, cursor, data.length));
    else for (const key of cursor.map().keys()) metadata.set(key, cursor.field(key).text());
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkOffsets(entries, data.length, path);
  const tensors = new Map<string, Tensor>();
  for (const { name, format, shape, begin, end } of entries) {
    const stored = () => new StoredNumbers(data.subarray(begin, end), format);
    if (!options.allowNonFinite) checkElements(name, stored(), path);
    tensors.set(
      name,
      lazyTensor(shape, () => stored().toFloat64()),
    );
  }
  const circulant = metadata.get(circulantKey);
  return { tensors: circulant === undefined ? tensors : withoutColumns(tensors, circulant, path), metadata };
}

function readHeader(bytes: Uint8Array, path: string): { readonly length: number; readonly json: JsonCursor } {
  const wrong = (reason: string): never => {
    refuseOtherContent(bytes, "a safetensors file", path);
    return fail("safetensors-header", { path }, { reason });
  };
  if (bytes.length < lengthBytes) return wrong(`the file has ${bytes.length} bytes, its length field alone needs 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  const rest = bytes.length - lengthBytes;
  if (length > rest) return wrong(`it claims ${length} bytes, the file has ${rest} behind the length field`);
  if (length > maxHeaderBytes) {
    return fail("safetensors-header-too-large", { path }, { bytes: length, limit: maxHeaderBytes });
  }
  if (bytes[lengthBytes] !== 0x7b || length === 0) return wrong("it does not begin with '{'");
  const text = bytes.subarray(lengthBytes, lengthBytes + length);
  const json = parseJson(text, { path, part: "header", limit: maxHeaderBytes, anyKey: true });
  return { length, json: new JsonCursor(json, path) };
}

function readEntry(name: string, cursor: JsonCursor, size: number): Entry {
  const fields = cursor.object(["dtype", "shape", "data_offsets"]);
  const dtype = fields.dtype.text();
  const format = formats.get(dtype);
  if (format === undefined) {
    return fail("tensor-dtype", fields.dtype.place, { tensor: name, dtype, supported: [...formats.keys()] });
  }
  const shape = fields.shape.list(2 ** 10).map((dim) => dim.integer(0, Number.MAX_SAFE_INTEGER));
  const count = declaredCount(shape);
  if (count === undefined)
    return fail("tensor-shape", fields.shape.place, { tensor: name, found: `[${shape.join(", ")}]` });
  const offsets = fields.data_offsets.list(2).map((offset) => offset.integer(0, Number.MAX_SAFE_INTEGER));
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined) return fields.data_offsets.wrong("a list of two offsets");
  if (begin > end || end > size) return fail("tensor-outside-file", cursor.place, { tensor: name, begin, end, size });
  const needed = count * bytesPerNumber(format);
  if (needed !== end - begin) {
    return fail("tensor-bytes", cursor.place, { tensor: name, shape, dtype, needed, found: end - begin });
  }
  return { name, dtype, format, shape, begin, end };
}

/** Bytes that two tensors share or none owns could hide content from some readers and show it to others. */
function checkOffsets(entries: readonly Entry[], size: number, path: string): void {
  let at = 0;
  let before = "";
  for (const { name, begin, end } of entries) {
    if (begin < at) fail("tensors-overlap", { path, part: name }, { first: before, second: name, begin });
    if (begin > at) fail("unclaimed-bytes", { path }, { begin: at, end: begin });
    at = end;
    before = name;
  }
  if (at < size) fail("unclaimed-bytes", { path }, { begin: at, end: size });
}

/**
 * The file of weights, for ourselves to read: of those that are block-circulant only the first columns of their blocks are
 * stored (first-columns.ts). Otherwise as `writeSafetensors`.
 */
export function writeWeights(tensors: ReadonlyMap<string, Tensor>, metadata?: ReadonlyMap<string, string>): Uint8Array {
  const { tensors: stored, shapes } = asColumns(tensors);
  if (shapes.size === 0) return writeSafetensors(tensors, metadata);
  return writeSafetensors(stored, new Map([...(metadata ?? []), [circulantKey, printShapes(shapes)]]));
}

/**
 * The file of some tensors, the same bytes whatever order they come in. Each is stored as F32 where all its numbers are
 * exact in single precision, else as F64; doubles come first, so that all data is aligned.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  const stored = sorted.map(([name, tensor]) => {
    const reason = name === metadataKey ? "the format uses this name itself" : "its name is no valid text";
    if (name === metadataKey || !name.isWellFormed()) fail("tensor-name", "nowhere", { tensor: name, reason });
    const { fill } = tensor;
    const single = fill === undefined ? fitsSingle(tensor.data) : fitsSingle(Float64Array.of(fill));
    return { name, tensor, single };
  });
  stored.sort((a, b) => Number(a.single) - Number(b.single));
  let size = 0;
  const header = stored.map(({ name, tensor: { shape }, single }): string => {
    const begin = size;
    size += elementCount(shape) * (single ? 4 : 8);
    const entry: JsonInput = { dtype: single ? "F32" : "F64", shape, data_offsets: [begin, size] };
    return `${JSON.stringify(name)}:${printJson(entry)}`;
  });
  if (metadata.size > 0) header.unshift(`"${metadataKey}":${printJson(metadata)}`);
  const text = new TextEncoder().encode(`{${header.join(",")}}`);
  const length = Math.ceil(text.length / 8) * 8;
  invariant(length <= maxHeaderBytes, `a header of ${length} bytes`);

  const bytes = new Uint8Array(lengthBytes + length + size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, lengthBytes);
  bytes.fill(0x20, lengthBytes + text.length, lengthBytes + length);
  let at = lengthBytes + length;
  for (const { tensor, single } of stored) {
    const numbers = new (single ? Float32Array : Float64Array)(bytes.buffer, at, elementCount(tensor.shape));
    if (tensor.fill === undefined) numbers.set(tensor.data);
    else numbers.fill(tensor.fill);
    bytes.set(littleEndianBytes(numbers), at);
    at += numbers.byteLength;
  }
  return bytes;
}
