import { idle, type Layout, layoutElements } from "../scheme/layout.ts";

/** A layout spelled out: the element of every position, and the smallest power of two, at least 2, after which each plane repeats. */
export interface Spread {
  readonly layout: Layout;
  readonly elements: Int32Array;
  readonly period: number;
}

/** Where each element sits: positions of element `e` are `list[start[e]] .. list[start[e + 1] - 1]`, ascending. */
export interface Positions {
  readonly start: Int32Array;
  readonly list: Int32Array;
}

export function spread(layout: Layout): Spread {
  const elements = layoutElements(layout);
  let period = layout.slots;
  // Even and odd slots differ in what X^(N/2) makes of them.
  while (period > 2 && repeats(elements, layout.slots, period / 2)) period /= 2;
  return { layout, elements, period };
}

/** The positions in the first `ring` slots of each plane. */
export function positionsOf({ elements, layout }: Spread, elementCount: number, ring: number): Positions {
  const within: number[] = [];
  for (let p = 0; p < elements.length; p++) if (p % layout.slots < ring && elements[p] !== idle) within.push(p);
  return positionsAmong(within, elements, elementCount);
}

/** Those of some positions, ascending, that each element has. */
export function positionsAmong(among: readonly number[], elements: Int32Array, elementCount: number): Positions {
  const start = new Int32Array(elementCount + 1);
  for (const p of among) start[elements[p]! + 1]!++;
  for (let e = 0; e < elementCount; e++) start[e + 1]! += start[e]!;
  const next = start.slice();
  const list = new Int32Array(among.length);
  for (const p of among) list[next[elements[p]!]!++] = p;
  return { start, list };
}

function repeats(elements: Int32Array, slots: number, period: number): boolean {
  for (let p = 0; p < elements.length; p++) {
    const next = p % slots < slots - period ? p + period : p + period - slots;
    if (elements[p] !== elements[next]) return false;
  }
  return true;
}
