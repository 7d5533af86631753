import { invariant } from "../base/diagnostic.ts";
import { elementCount, rowMajorStrides, type Shape } from "../base/tensor.ts";

/**
 * Where the elements of a tensor sit in the slots of one or several ciphertexts.
 *
 * Positions count slots across ciphertexts: position `p` is slot `p % slots` of ciphertext `floor(p / slots)`.
 * A position is a sum of digits, each `0 .. extent - 1` times its `stride`. A digit of dimension `d` moves coordinate `d`
 * by `step` per unit; a copy digit repeats the same elements. A coordinate starts at `origin[d]`; where it falls outside
 * `0 .. size - 1` the slot is idle, as is every position no digit combination reaches.
 */
export interface Layout {
  readonly slots: number;
  readonly ciphertexts: number;
  /** The view of the tensor that the digits speak of; its row-major order may differ from the tensor's (transpose). */
  readonly dims: readonly LayoutDim[];
  readonly origin: readonly number[];
  readonly digits: readonly LayoutDigit[];
}

export interface LayoutDim {
  readonly size: number;
  /** How far apart neighbours lie in the row-major order of the tensor. */
  readonly stride: number;
}

export interface LayoutDigit {
  readonly dim: number | "copy";
  readonly extent: number;
  /** In positions. */
  readonly stride: number;
  /** In coordinates of the dimension; 0 for copies. */
  readonly step: number;
}

/** The element index an idle slot has in `layoutElements`. */
export const idle = -1;

/** The dimensions of a tensor seen in its own row-major order. */
export function dimsOf(shape: Shape): LayoutDim[] {
  const strides = rowMajorStrides(shape);
  return shape.map((size, d) => ({ size, stride: strides[d]! }));
}

export function digit(
  dim: number | "copy",
  extent: number,
  stride: number,
  step = dim === "copy" ? 0 : 1,
): LayoutDigit {
  return { dim, extent, stride, step };
}

/** Makes a layout whose origin is zero and whose view is the tensor itself; digits of extent 1 vanish. */
export function layoutOf(slots: number, ciphertexts: number, shape: Shape, digits: readonly LayoutDigit[]): Layout {
  return {
    slots,
    ciphertexts,
    dims: dimsOf(shape),
    origin: shape.map(() => 0),
    digits: digits.filter((d) => d.extent > 1),
  };
}

/** The element at each position, or `idle`. Throws a bug when two elements claim one position. */
export function layoutElements(layout: Layout): Int32Array {
  const { dims, digits, origin } = layout;
  const elements = new Int32Array(layout.slots * layout.ciphertexts).fill(idle);
  const coordinates = Int32Array.from(origin);
  const place = (level: number, position: number): void => {
    if (level < 0) {
      let element = 0;
      for (let d = 0; d < dims.length; d++) {
        const at = coordinates[d]!;
        if (at < 0 || at >= dims[d]!.size) return;
        element += at * dims[d]!.stride;
      }
      invariant(position < elements.length, `layout reaches position ${position} of ${elements.length}`);
      const before = elements[position]!;
      invariant(
        before === idle || before === element,
        `layout puts elements ${before} and ${element} at position ${position}`,
      );
      elements[position] = element;
      return;
    }
    const { dim, extent, stride, step } = digits[level]!;
    for (let v = 0; v < extent; v++) {
      place(level - 1, position + v * stride);
      if (dim !== "copy") coordinates[dim] = coordinates[dim]! + step;
    }
    if (dim !== "copy") coordinates[dim] = coordinates[dim]! - extent * step;
  };
  place(digits.length - 1, 0);
  return elements;
}

/** Whether every element of the shape has at least one position. */
export function isComplete(layout: Layout, shape: Shape): boolean {
  const seen = new Uint8Array(elementCount(shape));
  for (const element of layoutElements(layout)) if (element !== idle) seen[element] = 1;
  return seen.every((s) => s === 1);
}

/**
 * One line that reads back exactly: slots, ciphertexts, view, origin when not zero, digits from the fastest.
 * `4096 x 1 [1, 28, 28] d2:28@1 d1:28@32 copy:4@1024`; a step other than 1 prints as `d2:14*2@1`,
 * a view out of row-major order prints its strides, `[28*1, 28*28]`.
 */
export function printLayout(layout: Layout): string {
  const { slots, ciphertexts, dims, origin, digits } = layout;
  const natural = rowMajorStrides(dims.map((d) => d.size));
  const inOrder = dims.every((d, i) => d.stride === natural[i]);
  const view = dims.map((d) => (inOrder ? `${d.size}` : `${d.size}*${d.stride}`)).join(", ");
  const shift = origin.some((o) => o !== 0) ? ` from [${origin.join(", ")}]` : "";
  const parts = digits.map((d) => {
    const by = d.dim === "copy" || d.step === 1 ? "" : `*${d.step}`;
    return ` ${d.dim === "copy" ? "copy" : `d${d.dim}`}:${d.extent}${by}@${d.stride}`;
  });
  return `${slots} x ${ciphertexts} [${view}]${shift}${parts.join("")}`;
}

const layoutPattern = /^(\d+) x (\d+) \[([^\]]*)\](?: from \[([^\]]*)\])?((?: (?:copy|d\d+):\d+(?:\*-?\d+)?@\d+)*)$/;
const digitPattern = /(copy|d\d+):(\d+)(?:\*(-?\d+))?@(\d+)/g;

/** Reads what `printLayout` wrote; undefined when the text is no layout. Does not check that the digits fit. */
export function parseLayout(text: string): Layout | undefined {
  const match = layoutPattern.exec(text);
  if (match === null) return undefined;
  const items = (list: string) => (list.trim() === "" ? [] : list.split(",").map((item) => item.trim()));
  const sizes = items(match[3]!).map((item) => item.split("*").map(Number));
  const natural = rowMajorStrides(sizes.map(([size]) => size!));
  const dims = sizes.map(([size, stride], i) => ({ size: size!, stride: stride ?? natural[i]! }));
  const origin = match[4] === undefined ? dims.map(() => 0) : items(match[4]).map(Number);
  const digits = [...match[5]!.matchAll(digitPattern)].map(([, name, extent, step, stride]): LayoutDigit => {
    const dim = name === "copy" ? "copy" : Number(name!.slice(1));
    return { dim, extent: Number(extent), stride: Number(stride), step: dim === "copy" ? 0 : Number(step ?? 1) };
  });
  const numbers = [
    ...dims.flatMap((d) => [d.size, d.stride]),
    ...origin,
    ...digits.flatMap((d) => [d.extent, d.stride, d.step]),
  ];
  const dimsKnown = digits.every((d) => d.dim === "copy" || d.dim < dims.length);
  if (!numbers.every(Number.isSafeInteger) || origin.length !== dims.length || !dimsKnown) return undefined;
  return { slots: Number(match[1]), ciphertexts: Number(match[2]), dims, origin, digits };
}

export function sameLayout(a: Layout, b: Layout): boolean {
  return printLayout(a) === printLayout(b);
}
