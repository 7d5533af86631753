/** One complex number per slot. Without `im` every number is real. */
export interface SlotVector {
  readonly re: Float64Array;
  readonly im?: Float64Array | undefined;
}

/** The same number in every slot. */
export function constantSlots(value: number, slots: number): SlotVector {
  return { re: new Float64Array(slots).fill(value) };
}

/** The largest absolute value of any slot; NaN when one is not a number. */
export function largestSlot({ re, im }: SlotVector): number {
  let largest = 0;
  for (let s = 0; s < re.length; s++) {
    const size = im === undefined ? Math.abs(re[s]!) : Math.hypot(re[s]!, im[s]!);
    if (size > largest) largest = size;
    else if (Number.isNaN(size)) return size;
  }
  return largest;
}
