import { unreachable } from "../base/diagnostic.ts";

/** How a number is stored: kind and bits. `bf16` is the upper half of an `f32`. */
export type NumberFormat =
  | "f64"
  | "f32"
  | "f16"
  | "bf16"
  | "i8"
  | "i16"
  | "i32"
  | "i64"
  | "u8"
  | "u16"
  | "u32"
  | "u64"
  | "bool";

/** A stored element that has no exact double, is not finite, or is no value of its format. */
export interface BadElement {
  readonly index: number;
  readonly value: string;
  readonly allowed: string;
}

export function bytesPerNumber(format: NumberFormat): number {
  return format === "bool" ? 1 : Number(/\d+/.exec(format)![0]) / 8;
}

const hostIsLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Stored numbers that typed arrays of this machine can look at. Copies only what is misaligned or in the other byte order. */
export class StoredNumbers {
  readonly format: NumberFormat;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly count: number;

  constructor(bytes: Uint8Array, format: NumberFormat, order: "little" | "big" = "little") {
    const width = bytesPerNumber(format);
    this.format = format;
    this.count = bytes.length / width;
    const swap = width > 1 && (order === "little") !== hostIsLittleEndian;
    if (swap) this.#bytes = reversed(bytes, width);
    // Not `slice`: that of a Buffer copies nothing.
    else if (bytes.byteOffset % width !== 0 || !(bytes.buffer instanceof ArrayBuffer))
      this.#bytes = new Uint8Array(bytes);
    else this.#bytes = bytes as Uint8Array<ArrayBuffer>;
  }

  /** The same numbers as doubles, exactly. Needs `firstBad` to have found nothing. */
  toFloat64(): Float64Array {
    switch (this.format) {
      case "f64":
        return new Float64Array(this.#as(Float64Array));
      case "f32":
        return new Float64Array(this.#as(Float32Array));
      case "f16":
        return Float64Array.from(this.#as(Uint16Array), halfToNumber);
      case "bf16":
        return new Float64Array(new Float32Array(Uint32Array.from(this.#as(Uint16Array), (bits) => bits << 16).buffer));
      case "i64":
        return wideToFloat64(this.#as(BigInt64Array));
      case "u64":
        return wideToFloat64(this.#as(BigUint64Array));
      case "i8":
        return new Float64Array(this.#as(Int8Array));
      case "i16":
        return new Float64Array(this.#as(Int16Array));
      case "i32":
        return new Float64Array(this.#as(Int32Array));
      case "u16":
        return new Float64Array(this.#as(Uint16Array));
      case "u32":
        return new Float64Array(this.#as(Uint32Array));
      case "u8":
      case "bool":
        return new Float64Array(this.#bytes);
      default:
        return unreachable(this.format);
    }
  }

  /** The first element that cannot become a finite double exactly. Looks at the bits, so that nothing is converted. */
  firstBad(): BadElement | undefined {
    switch (this.format) {
      case "f64":
        return this.#notFinite(firstInfiniteDouble(this.#as(Uint32Array)));
      case "f32":
        return this.#notFinite(firstWithBits(this.#as(Uint32Array), 0x7f800000));
      case "f16":
        return this.#notFinite(firstWithBits(this.#as(Uint16Array), 0x7c00));
      case "bf16":
        return this.#notFinite(firstWithBits(this.#as(Uint16Array), 0x7f80));
      case "i64":
        return firstInexact(this.#as(BigInt64Array));
      case "u64":
        return firstInexact(this.#as(BigUint64Array));
      case "bool": {
        const index = this.#bytes.findIndex((byte) => byte > 1);
        return index < 0 ? undefined : { index, value: `byte ${this.#bytes[index]}`, allowed: "0 and 1 in a bool" };
      }
      default:
        return undefined;
    }
  }

  #notFinite(index: number): BadElement | undefined {
    if (index < 0) return undefined;
    const order = hostIsLittleEndian ? "little" : "big";
    const [value] = new StoredNumbers(this.#element(index), this.format, order).toFloat64();
    return { index, value: `${value}`, allowed: "finite numbers" };
  }

  #element(index: number): Uint8Array {
    const width = bytesPerNumber(this.format);
    return this.#bytes.subarray(index * width, (index + 1) * width);
  }

  #as<A>(type: new (buffer: ArrayBuffer, offset: number, length: number) => A): A {
    const { buffer, byteOffset, length } = this.#bytes;
    return new type(buffer, byteOffset, length / (type as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT);
  }
}

/** Numbers whose exponent bits are all ones are infinite or no numbers. */
function firstWithBits(patterns: Uint16Array | Uint32Array, exponent: number): number {
  for (let i = 0; i < patterns.length; i++) if ((patterns[i]! & exponent) === exponent) return i;
  return -1;
}

function firstInfiniteDouble(halves: Uint32Array): number {
  for (let i = hostIsLittleEndian ? 1 : 0; i < halves.length; i += 2) {
    if ((halves[i]! & 0x7ff00000) === 0x7ff00000) return i >> 1;
  }
  return -1;
}

function firstInexact(values: BigInt64Array | BigUint64Array): BadElement | undefined {
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (BigInt(Number(value)) !== value) {
      return { index, value: `${value}`, allowed: "integers that a double holds exactly" };
    }
  }
  return undefined;
}

function wideToFloat64(values: BigInt64Array | BigUint64Array): Float64Array {
  const data = new Float64Array(values.length);
  for (let i = 0; i < data.length; i++) data[i] = Number(values[i]!);
  return data;
}

/** IEEE binary16: a sign, five bits of exponent, ten of fraction. */
function halfToNumber(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >> 15 === 0 ? 1 : -1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function reversed(bytes: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += width) {
    for (let b = 0; b < width; b++) result[i + b] = bytes[i + width - 1 - b]!;
  }
  return result;
}

/** The bytes of doubles, or of the floats they are equal to, lowest byte first. A view where that is how the machine has them. */
export function littleEndianBytes(data: Float64Array | Float32Array): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return hostIsLittleEndian ? bytes : reversed(bytes, data.BYTES_PER_ELEMENT);
}

/** Whether every number is one that single precision holds, so that half the bytes do. */
export function fitsSingle(data: Float64Array): boolean {
  return data.every((value) => Math.fround(value) === value);
}
