import { invariant } from "../base/diagnostic.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import { polynomialOfSlots, slotsOfPolynomial } from "../scheme/fourier.ts";
import { idle, type Layout, layoutElements, planesOf } from "../scheme/layout.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";

/** The slots of a tensor, one vector per ciphertext; idle slots are 0. */
export function toSlots(value: Tensor, layout: Layout): SlotVector[] {
  const { slots, ciphertexts, complex } = layout;
  const elements = layoutElements(layout);
  const plane = (p: number) =>
    Float64Array.from(elements.subarray(p * slots, (p + 1) * slots), (e) => (e === idle ? 0 : value.data[e]!));
  if (layout.coefficients) {
    const degree = 2 * slots;
    return Array.from({ length: ciphertexts }, (_, c) => {
      const own = elements.subarray(c * degree, (c + 1) * degree);
      return slotsOfPolynomial(Float64Array.from(own, (e) => (e === idle ? 0 : value.data[e]!)));
    });
  }
  return Array.from({ length: ciphertexts }, (_, c) =>
    complex ? { re: plane(2 * c), im: plane(2 * c + 1) } : { re: plane(c) },
  );
}

/** Reads a tensor back from slots, each element from the first position that carries it. */
export function fromSlots(slots: readonly SlotVector[], layout: Layout, shape: Shape): Tensor {
  const planes = layout.coefficients
    ? slots.flatMap(coefficientPlanes)
    : slots.flatMap(({ re, im }) => (layout.complex ? [re, im ?? new Float64Array(re.length)] : [re]));
  invariant(
    planes.length === planesOf(layout),
    `reads ${planesOf(layout)} planes of slots, ${planes.length} are there`,
  );
  const data = new Float64Array(elementCount(shape)).fill(Number.NaN);
  const elements = layoutElements(layout);
  for (let p = elements.length - 1; p >= 0; p--) {
    const element = elements[p]!;
    if (element !== idle) data[element] = planes[Math.floor(p / layout.slots)]![p % layout.slots]!;
  }
  invariant(!data.some(Number.isNaN), "a layout leaves out an element of its tensor");
  return { shape, data };
}

/** The coefficients of a ciphertext, first those of the lower powers, then those of the upper. */
function coefficientPlanes(vector: SlotVector): Float64Array[] {
  const coefficients = polynomialOfSlots(vector);
  return [coefficients.subarray(0, vector.re.length), coefficients.subarray(vector.re.length)];
}
