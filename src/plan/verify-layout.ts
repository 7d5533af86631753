import { CompilerBug } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { isComplete, type Layout } from "../scheme/layout.ts";

/** Most positions of one layout: 1,024 ciphertexts of the largest ring. Also bounds the work of looking at it. */
export const maxPositions = 2 ** 24;
const maxDigits = 64;

/** What is wrong with a layout that came out of a file, for a tensor and a ring; undefined when it is sound. */
export function layoutProblem(layout: Layout, shape: Shape, slots: number): string | undefined {
  const { ciphertexts, dims, digits, origin } = layout;
  if (layout.slots !== slots) return `its layout has ${layout.slots} slots, the ring has ${slots}`;
  const positions = slots * ciphertexts;
  if (!(Number.isInteger(ciphertexts) && ciphertexts >= 1 && positions <= maxPositions)) {
    return `its layout has ${ciphertexts} ciphertexts, allowed are 1 to ${maxPositions / slots}`;
  }
  const elements = elementCount(shape);
  if (elements > positions) return `its ${elements} elements do not fit ${positions} slots`;
  const fits = (value: number, least: number) => Number.isInteger(value) && value >= least && value <= maxPositions;
  const sound =
    digits.length <= maxDigits &&
    dims.every(({ size, stride }) => fits(size, 1) && fits(stride, 0)) &&
    origin.every((at) => fits(Math.abs(at), 0)) &&
    digits.every(({ extent, stride, step }) => fits(extent, 1) && fits(stride, 0) && fits(Math.abs(step), 0));
  const combinations = digits.reduce((product, { extent }) => product * extent, 1);
  if (!sound || combinations > maxPositions) return "its layout has numbers out of range";
  const reach = digits.reduce((sum, { extent, step }) => sum + extent * Math.abs(step), 0);
  if (reach > maxPositions) return "its layout has numbers out of range";
  const last = dims.reduce((sum, { size, stride }) => sum + (size - 1) * stride, 0);
  if (last >= elements) return `its layout speaks of element ${last}, the shape has ${elements}`;
  try {
    return isComplete(layout, shape) ? undefined : "its layout leaves out elements";
  } catch (error) {
    if (error instanceof CompilerBug) return error.message;
    throw error;
  }
}
