import { elementCount } from "../base/tensor.ts";
import { idle, type Layout, type LayoutDigit, layoutElements } from "../scheme/layout.ts";
import { counted, formatShare } from "./quantities.ts";

/** Slots that carry an element, copies included; the two parts of a complex one count once, and two coefficients do. */
export function occupiedSlots(layout: Layout): number {
  const { slots, complex, coefficients } = layout;
  const elements = layoutElements(layout);
  let count = 0;
  if (coefficients) return elements.reduce((sum, e) => sum + (e === idle ? 0 : 1), 0) / 2;
  for (let first = 0; first < elements.length; first += complex ? 2 * slots : slots)
    for (let at = first; at < first + slots; at++)
      if (elements[at] !== idle || (complex && elements[at + slots] !== idle)) count++;
  return count;
}

/** A layout without what is said beside it: its slots, its shape, and what idle slots hold. */
export function shortLayout(text: string): string {
  const match = /^\d+(?: repeats \d+)? x (\d+)( complex| coefficients)? \[[^\]]*\](.*)$/.exec(text);
  return match === null ? text : `${match[1]} ct${match[2] ?? ""}${match[3]}`;
}

/** A layout in words, one line for each fact: how full the ciphertexts are, and where neighbours lie. */
export function describeLayout(layout: Layout): string[] {
  const { slots, ciphertexts, complex, dims, joined, digits, origin, repeats } = layout;
  const used = occupiedSlots(layout);
  const elements = elementCount(dims.map((d) => d.size));
  const dimensions = dimensionNames(dims.length);
  const names = [...dimensions, ...joined.map((_, j) => `of count ${j + 1}`)];
  const room = layout.coefficients ? `${2 * slots} coefficients` : `${slots}${complex ? " complex" : ""} slots`;
  const unit = layout.coefficients ? "coefficients" : "slots";
  const lines = [
    `${counted(ciphertexts, "ciphertext")} of ${room} for ${counted(elements, "element")}; ${formatShare(used, slots * ciphertexts)} of the ${unit} carry data`,
  ];
  for (const [j, { parts }] of joined.entries()) {
    const counting = parts.filter(({ extent }) => extent > 1);
    const through = (counting.length === 0 ? parts : counting).map(({ dim, extent, step }) =>
      dim === "copy" ? `${extent} copies` : `${extent} ${dimensions[dim]!}${every(step)}`,
    );
    lines.push(`count ${j + 1} goes through ${through.join(", then ")}`);
  }
  for (const digit of digits) {
    const where = distance(digit, layout);
    if (digit.dim === "copy") {
      lines.push(`everything is there ${digit.extent} times, ${where}`);
      continue;
    }
    lines.push(
      `${digit.extent} ${names[digit.dim]!}${every(digit.step)} ${where}${digit.step < 0 ? ", backwards" : ""}`,
    );
  }
  for (const [d, start] of origin.entries()) {
    if (start !== 0) lines.push(`${names[d]!} begin at ${start}: the slots before the first one stay idle`);
  }
  if (repeats < slots) lines.push(`all slots, idle ones too, recur after ${counted(repeats, "slot")}`);
  return lines;
}

function every(step: number): string {
  return Math.abs(step) === 1 ? "" : ` (every ${Math.abs(step)})`;
}

/** How far the values of a digit lie from one another. A complex ciphertext has two planes of slots. */
function distance({ stride, extent }: LayoutDigit, { slots, complex, coefficients }: Layout): string {
  if (coefficients && stride < 2 * slots) return `${counted(stride, "coefficient")} apart`;
  const planes = stride / slots;
  if (complex && planes === 1 && extent === 2) return "in one slot, as its real and imaginary part";
  if (!Number.isInteger(planes)) return `${counted(stride, "slot")} apart`;
  return `${counted(complex ? planes / 2 : planes, "ciphertext")} apart`;
}

/** What people call the dimensions of a value of this rank. */
function dimensionNames(rank: number): readonly string[] {
  if (rank === 3) return ["channels", "rows", "columns"];
  if (rank === 2) return ["rows", "columns"];
  if (rank === 1) return ["elements"];
  return Array.from({ length: rank }, (_, d) => `of dimension ${d}`);
}
