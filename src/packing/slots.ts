import { invariant } from "../base/diagnostic.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import { idle, type Layout, layoutElements } from "../scheme/layout.ts";

/** The slot vectors of a tensor, one per ciphertext; idle slots are 0. */
export function toSlots(value: Tensor, layout: Layout): Float64Array[] {
  const elements = layoutElements(layout);
  return Array.from({ length: layout.ciphertexts }, (_, c) =>
    Float64Array.from({ length: layout.slots }, (_, s) => {
      const element = elements[c * layout.slots + s]!;
      return element === idle ? 0 : value.data[element]!;
    }),
  );
}

/** Reads a tensor back from slot vectors, each element from the first position that carries it. */
export function fromSlots(slots: readonly Float64Array[], layout: Layout, shape: Shape): Tensor {
  const data = new Float64Array(elementCount(shape)).fill(Number.NaN);
  const elements = layoutElements(layout);
  for (let p = elements.length - 1; p >= 0; p--) {
    const element = elements[p]!;
    if (element !== idle) data[element] = slots[Math.floor(p / layout.slots)]![p % layout.slots]!;
  }
  invariant(!data.some(Number.isNaN), "a layout leaves out an element of its tensor");
  return { shape, data };
}
