import { fail } from "../base/diagnostic.ts";
import { rowMajorStrides, type Tensor } from "../base/tensor.ts";
import { refuseOtherContent } from "./file-kind.ts";
import { checkElements, declaredCount } from "./lazy-tensor.ts";
import { type NpyHeader, parseNpyHeader } from "./npy-header.ts";
import { bytesPerNumber, littleEndianBytes, type NumberFormat, StoredNumbers } from "./number-formats.ts";

const magic = "\x93NUMPY";
/** Numpy writes headers of a few hundred bytes; only structured types need more. */
const maxHeaderBytes = 2 ** 20;

const formats: ReadonlyMap<string, NumberFormat> = new Map([
  ["f2", "f16"],
  ["f4", "f32"],
  ["f8", "f64"],
  ["i1", "i8"],
  ["i2", "i16"],
  ["i4", "i32"],
  ["i8", "i64"],
  ["u1", "u8"],
  ["u2", "u16"],
  ["u4", "u32"],
  ["u8", "u64"],
  ["b1", "bool"],
]);

export interface NpyOptions {
  /** What messages call the array. */
  readonly name?: string;
  /** Lets NaN and infinities through. */
  readonly allowNonFinite?: boolean;
}

/**
 * Reads one array as numpy.save writes it: versions 1 to 3, either byte order, either memory order.
 * Throws a SealwrightError for whatever else the file holds; Python objects are never unpickled.
 */
export function readNpy(bytes: Uint8Array, path: string, options: NpyOptions = {}): Tensor {
  const { name = "array" } = options;
  const { header, dataStart } = readHeader(bytes, path);
  const { format, order } = readDescr(header.descr, name, path);
  const { shape, fortranOrder } = header;
  const count = declaredCount(shape);
  if (count === undefined) return fail("tensor-shape", { path }, { tensor: name, found: `[${shape.join(", ")}]` });
  const data = bytes.subarray(dataStart);
  const needed = count * bytesPerNumber(format);
  if (data.length !== needed) {
    fail("tensor-bytes", { path }, { tensor: name, shape, dtype: header.descr, needed, found: data.length });
  }
  const numbers = new StoredNumbers(data, format, order);
  if (!options.allowNonFinite) checkElements(name, numbers, path);
  const values = numbers.toFloat64();
  return { shape, data: fortranOrder ? fromColumnMajor(values, shape) : values };
}

function readHeader(bytes: Uint8Array, path: string): { readonly header: NpyHeader; readonly dataStart: number } {
  const wrong = (reason: string): never => fail("npy-header", { path }, { reason });
  if (String.fromCharCode(...bytes.subarray(0, magic.length)) !== magic) {
    refuseOtherContent(bytes, "a NumPy array (.npy)", path);
    return wrong("it does not begin with the bytes \\x93NUMPY");
  }
  if (bytes.length < 10) return wrong(`the file ends after ${bytes.length} bytes`);
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (major < 1 || major > 3 || minor !== 0) return fail("npy-version", { path }, { version: `${major}.${minor}` });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) return wrong(`the file ends after ${bytes.length} bytes`);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > bytes.length - start) {
    return wrong(`it claims ${length} bytes, the file has ${bytes.length - start} behind the length field`);
  }
  if (length > maxHeaderBytes) return wrong(`it has ${length} bytes, at most ${maxHeaderBytes} are read`);
  const content = bytes.subarray(start, start + length);
  const parsed = parseNpyHeader(new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(content));
  return typeof parsed === "string" ? wrong(parsed) : { header: parsed, dataStart: start + length };
}

/** A type such as `<f4`: byte order, kind, bytes. */
function readDescr(descr: string, name: string, path: string) {
  if (/^[<>|=]?O/.test(descr)) fail("npy-pickle", { path }, { dtype: `'${descr}'` });
  const format = formats.get(descr.slice(1));
  const order = descr[0] === ">" ? "big" : "little";
  const hasOrder = format !== undefined && bytesPerNumber(format) > 1;
  // Where bytes have no order, numpy writes a bar; a bar anywhere else says nothing about how to read the data.
  if (format === undefined || !(hasOrder ? "<>" : "<>|").includes(descr[0]!)) {
    const supported = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"];
    return fail("tensor-dtype", { path }, { tensor: name, dtype: `'${descr}'`, supported });
  }
  return { format, order } as const;
}

/** Reorders numbers whose first index runs fastest. */
function fromColumnMajor(values: Float64Array, shape: readonly number[]): Float64Array {
  const strides = rowMajorStrides(shape);
  const index = new Int32Array(shape.length);
  const data = new Float64Array(values.length);
  let to = 0;
  for (const value of values) {
    data[to] = value;
    for (let d = 0; d < shape.length; d++) {
      to += strides[d]!;
      if (++index[d]! < shape[d]!) break;
      to -= strides[d]! * shape[d]!;
      index[d] = 0;
    }
  }
  return data;
}

/** The array as numpy.save writes it: version 1, doubles, row-major order. */
export function writeNpy({ shape, data }: Tensor): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': (${sizes}), }`;
  const start = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + data.byteLength);
  bytes.set(Uint8Array.from(magic, (c) => c.charCodeAt(0)));
  bytes[6] = 1;
  new DataView(bytes.buffer).setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(`${text.padEnd(start - 11)}\n`), 10);
  bytes.set(littleEndianBytes(data), start);
  return bytes;
}
