import { elementCount } from "../base/tensor.ts";
import { idle, type Layout, layoutElements } from "../scheme/layout.ts";
import { counted, formatShare } from "./quantities.ts";

/** Slots that carry an element, copies included. */
export function occupiedSlots(layout: Layout): number {
  return layoutElements(layout).reduce((count, element) => count + (element === idle ? 0 : 1), 0);
}

/** A layout in words, one line for each fact: how full the ciphertexts are, and where neighbours lie. */
export function describeLayout(layout: Layout): string[] {
  const { slots, ciphertexts, dims, digits, origin } = layout;
  const used = occupiedSlots(layout);
  const elements = elementCount(dims.map((d) => d.size));
  const names = dimensionNames(dims.length);
  const lines = [
    `${counted(ciphertexts, "ciphertext")} of ${slots} slots for ${counted(elements, "element")}; ${formatShare(used, slots * ciphertexts)} of the slots carry data`,
  ];
  for (const digit of digits) {
    const where = distance(digit.stride, slots);
    if (digit.dim === "copy") {
      lines.push(`everything is there ${digit.extent} times, ${where} apart`);
      continue;
    }
    const name = names[digit.dim]!;
    const by = Math.abs(digit.step) === 1 ? "" : ` (every ${Math.abs(digit.step)})`;
    const backwards = digit.step < 0 ? ", backwards" : "";
    lines.push(`${digit.extent} ${name}${by} ${where} apart${backwards}`);
  }
  for (const [d, start] of origin.entries()) {
    if (start !== 0) lines.push(`${names[d]!} begin at ${start}: the slots before the first one stay idle`);
  }
  return lines;
}

function distance(stride: number, slots: number): string {
  if (stride % slots === 0) return counted(stride / slots, "ciphertext");
  return counted(stride, "slot");
}

/** What people call the dimensions of a value of this rank. */
function dimensionNames(rank: number): readonly string[] {
  if (rank === 3) return ["channels", "rows", "columns"];
  if (rank === 2) return ["rows", "columns"];
  if (rank === 1) return ["elements"];
  return Array.from({ length: rank }, (_, d) => `of dimension ${d}`);
}
