import { invariant } from "../base/diagnostic.ts";
import { elementCount, rowMajorStrides, type Shape } from "../base/tensor.ts";

/**
 * Where the elements of a tensor sit in the slots of one or several ciphertexts.
 *
 * Positions count slots across planes: position `p` is slot `p % slots` of plane `floor(p / slots)`. A ciphertext is one
 * plane, or two when the layout is complex: the real parts of its slots, then the imaginary parts.
 * A position is a sum of digits, each `0 .. extent - 1` times its `stride`. A digit of dimension `d` moves coordinate `d`
 * by `step` per unit; a copy digit repeats the same elements. A coordinate starts at `origin[d]`; where it falls outside
 * `0 .. size - 1` the slot is idle, as is every position no digit combination reaches.
 */
export interface Layout {
  readonly slots: number;
  readonly ciphertexts: number;
  readonly complex: boolean;
  /**
   * Set when positions count coefficients of plaintext polynomials instead of slots: position `p` is the coefficient of
   * `X^(p % N)` of ciphertext `floor(p / N)`, `N = 2 slots`. Slots then hold values of these polynomials, and `complex` is set, too.
   */
  readonly coefficients?: true;
  /** The view of the tensor that the digits speak of; its row-major order may differ from the tensor's (transpose). */
  readonly dims: readonly LayoutDim[];
  /** Dimensions made of others, numbered after them. */
  readonly joined: readonly JoinedDim[];
  /** Of `dims`; joined dimensions start at 0. */
  readonly origin: readonly number[];
  readonly digits: readonly LayoutDigit[];
  /**
   * The contents of all slots, idle ones included, recur after so many slots: a power of two, `slots` when no less is known.
   * Character mixing cancels what idle slots hold only if it recurs like everything else.
   */
  readonly repeats: number;
}

export interface LayoutDim {
  readonly size: number;
  /** How far apart neighbours lie in the row-major order of the tensor. */
  readonly stride: number;
}

/** A coordinate that counts through others, as `5 y + x` counts through the taps of a kernel: parts from the fastest. */
export interface JoinedDim {
  readonly parts: readonly JoinedPart[];
}

export interface JoinedPart {
  /** A part that moves no coordinate counts copies. */
  readonly dim: number | "copy";
  readonly extent: number;
  readonly step: number;
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

/** Makes a layout of real slots whose origin is zero and whose view is the tensor itself; digits of extent 1 vanish. */
export function layoutOf(slots: number, ciphertexts: number, shape: Shape, digits: readonly LayoutDigit[]): Layout {
  return {
    slots,
    ciphertexts,
    complex: false,
    dims: dimsOf(shape),
    joined: [],
    origin: shape.map(() => 0),
    digits: digits.filter((d) => d.extent > 1),
    repeats: slots,
  };
}

/** Planes of slots: two for each complex ciphertext. */
export function planesOf({ ciphertexts, complex }: Layout): number {
  return complex ? 2 * ciphertexts : ciphertexts;
}

/** What `layoutElements` answered, by the digits: a compilation asks the same of a layout many times, in copies of it. */
const known = new WeakMap<Layout["digits"], { readonly layout: Layout; readonly elements: Int32Array }>();

/** The element at each position, or `idle`; not to be written to. Throws a bug when two elements claim one position. */
export function layoutElements(layout: Layout): Int32Array {
  const before = known.get(layout.digits);
  if (before !== undefined && isCopy(layout, before.layout)) return before.elements;
  const elements = placedElements(layout);
  known.set(layout.digits, { layout, elements });
  return elements;
}

/** Whether layouts of the same digits place them alike. */
function isCopy(a: Layout, b: Layout): boolean {
  const { slots, ciphertexts, complex, dims, joined, origin } = a;
  const sameSize = slots === b.slots && ciphertexts === b.ciphertexts && complex === b.complex;
  return sameSize && dims === b.dims && joined === b.joined && origin === b.origin;
}

function placedElements(layout: Layout): Int32Array {
  const { dims, joined, digits, origin } = layout;
  const elements = new Int32Array(layout.slots * planesOf(layout)).fill(idle);
  const coordinates = Int32Array.from([...origin, ...joined.map(() => 0)]);
  const inJoined = Int32Array.from(origin);
  const elementHere = (): number => {
    let at: Int32Array = coordinates;
    if (joined.length > 0) {
      inJoined.set(coordinates.subarray(0, dims.length));
      at = inJoined;
      for (const [j, { parts }] of joined.entries()) {
        let rest = coordinates[dims.length + j]!;
        if (rest < 0) return idle;
        for (const { dim, extent, step } of parts) {
          if (dim !== "copy") inJoined[dim]! += (rest % extent) * step;
          rest = Math.floor(rest / extent);
        }
        if (rest > 0) return idle;
      }
    }
    let element = 0;
    for (let d = 0; d < dims.length; d++) {
      const coordinate = at[d]!;
      if (coordinate < 0 || coordinate >= dims[d]!.size) return idle;
      element += coordinate * dims[d]!.stride;
    }
    return element;
  };
  const place = (level: number, position: number): void => {
    if (level < 0) {
      const element = elementHere();
      if (element === idle) return;
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
 * One line that reads back exactly: slots, ciphertexts, view, origin when not zero, joined dimensions, digits from the fastest.
 * `4096 x 1 [1, 28, 28] d2:28@1 d1:28@32 copy:4@1024`; a step other than 1 prints as `d2:14*2@1`, a view out of row-major
 * order prints its strides, `[28*1, 28*28]`. `complex` follows the ciphertexts, `repeats 1024` the slots where it is less.
 * `coefficients` stands in the place of `complex`.
 */
export function printLayout(layout: Layout): string {
  const { slots, ciphertexts, complex, dims, joined, origin, digits, repeats } = layout;
  const natural = rowMajorStrides(dims.map((d) => d.size));
  const inOrder = dims.every((d, i) => d.stride === natural[i]);
  const view = dims.map((d) => (inOrder ? `${d.size}` : `${d.size}*${d.stride}`)).join(", ");
  const shift = origin.some((o) => o !== 0) ? ` from [${origin.join(", ")}]` : "";
  const name = (dim: number | "copy") =>
    dim === "copy" ? "copy" : dim < dims.length ? `d${dim}` : `j${dim - dims.length}`;
  const by = (d: { readonly dim: number | "copy"; readonly step: number }) =>
    d.dim === "copy" || d.step === 1 ? "" : `*${d.step}`;
  const joins = joined.map(({ parts }) => ` (${parts.map((p) => `${name(p.dim)}:${p.extent}${by(p)}`).join(" ")})`);
  const list = digits.map((d) => ` ${name(d.dim)}:${d.extent}${by(d)}@${d.stride}`);
  const every = repeats === slots ? "" : ` repeats ${repeats}`;
  const parts = layout.coefficients ? " coefficients" : complex ? " complex" : "";
  return `${slots}${every} x ${ciphertexts}${parts} [${view}]${shift}${joins.join("")}${list.join("")}`;
}

const layoutPattern =
  /^(\d+)( repeats \d+)? x (\d+)( complex| coefficients)? \[([^\]]*)\](?: from \[([^\]]*)\])?((?: \([^()]*\))*)((?: (?:copy|[dj]\d+):\d+(?:\*-?\d+)?@\d+)*)$/;
const joinedPattern = /^(?:copy|d\d+):\d+(?:\*-?\d+)?(?: (?:copy|d\d+):\d+(?:\*-?\d+)?)*$/;
const digitPattern = /(copy|[dj]\d+):(\d+)(?:\*(-?\d+))?(?:@(\d+))?/g;

/** Reads what `printLayout` wrote; undefined when the text is no layout. Does not check that the digits fit. */
export function parseLayout(text: string): Layout | undefined {
  const match = layoutPattern.exec(text);
  if (match === null) return undefined;
  const [, slotsText, repeatsText, ciphertextsText, partsText, viewText, originText, joinsText, digitsText] = match;
  const items = (list: string) => (list.trim() === "" ? [] : list.split(",").map((item) => item.trim()));
  const sizes = items(viewText!).map((item) => item.split("*").map(Number));
  const natural = rowMajorStrides(sizes.map(([size]) => size!));
  const dims = sizes.map(([size, stride], i) => ({ size: size!, stride: stride ?? natural[i]! }));
  const origin = originText === undefined ? dims.map(() => 0) : items(originText).map(Number);
  const digitsIn = (list: string) =>
    [...list.matchAll(digitPattern)].map(([, name, extent, step, stride]): LayoutDigit => {
      const number = Number(name!.slice(1));
      const dim = name === "copy" ? "copy" : name!.startsWith("j") ? dims.length + number : number;
      const by = dim === "copy" ? 0 : Number(step ?? 1);
      return { dim, extent: Number(extent), stride: Number(stride ?? 0), step: by };
    });
  const joins = joinsText === "" ? [] : joinsText!.slice(2, -1).split(") (");
  if (!joins.every((join) => joinedPattern.test(join))) return undefined;
  const joined = joins.map((join) => ({ parts: digitsIn(join).map(({ stride: _, ...part }) => part) }));
  const digits = digitsIn(digitsText!);
  const slots = Number(slotsText);
  const repeats = repeatsText === undefined ? slots : Number(repeatsText.slice(" repeats ".length));
  const inParts = joined.flatMap(({ parts }) => parts);
  const numbers = [
    slots,
    repeats,
    ...dims.flatMap((d) => [d.size, d.stride]),
    ...origin,
    ...inParts.flatMap((p) => [p.extent, p.step]),
    ...digits.flatMap((d) => [d.extent, d.stride, d.step]),
  ];
  const dimsKnown =
    digits.every((d) => d.dim === "copy" || d.dim < dims.length + joined.length) &&
    inParts.every((p) => p.dim === "copy" || p.dim < dims.length);
  if (!numbers.every(Number.isSafeInteger) || origin.length !== dims.length || !dimsKnown) return undefined;
  const complex = partsText !== undefined;
  const read: Layout = { slots, ciphertexts: Number(ciphertextsText), complex, dims, joined, origin, digits, repeats };
  return partsText === " coefficients" ? { ...read, coefficients: true } : read;
}

/** Whether two layouts put the same elements into the same slots in the same words; what recurs does not matter. */
export function samePlacement(a: Layout, b: Layout): boolean {
  return placementText(a) === placementText(b);
}

/** `printLayout` without how often the contents recur. */
export function placementText(layout: Layout): string {
  return printLayout({ ...layout, repeats: layout.slots });
}

export function sameLayout(a: Layout, b: Layout): boolean {
  return printLayout(a) === printLayout(b);
}
