import { CompilerBug } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { isComplete, type Layout, planesOf } from "../scheme/layout.ts";

/** Most positions of one layout: 1,024 ciphertexts of the largest ring. Also bounds the work of looking at it. */
export const maxPositions = 2 ** 24;
const maxDigits = 64;

/**
 * What is wrong with a layout that came out of a file, for a tensor and a ring; undefined when it is sound. Of inputs among
 * coefficients only what is read is sent.
 */
export function layoutProblem(
  layout: Layout,
  shape: Shape,
  slots: number,
  side: "input" | "result" = "result",
): string | undefined {
  const leavesOut = side === "input" && layout.coefficients === true;
  const { ciphertexts, dims, joined, digits, origin, repeats } = layout;
  if (layout.slots !== slots) return `its layout has ${layout.slots} slots, the ring has ${slots}`;
  const positions = slots * planesOf(layout);
  if (!(Number.isInteger(ciphertexts) && ciphertexts >= 1 && positions <= maxPositions)) {
    return `its layout has ${ciphertexts} ciphertexts, allowed are 1 to ${maxPositions / slots}`;
  }
  if (!(repeats >= 1 && repeats <= slots && Number.isInteger(Math.log2(repeats)))) {
    return `its layout recurs after ${repeats} slots, allowed are powers of two up to ${slots}`;
  }
  const elements = elementCount(shape);
  if (elements > positions && !leavesOut) return `its ${elements} elements do not fit ${positions} slots`;
  const fits = (value: number, least: number) => Number.isInteger(value) && value >= least && value <= maxPositions;
  const parts = joined.flatMap((join) => join.parts);
  const sound =
    digits.length <= maxDigits &&
    joined.length <= maxDigits &&
    parts.length <= maxDigits &&
    parts.every(({ extent, step }) => fits(extent, 1) && fits(Math.abs(step), 0)) &&
    dims.every(({ size, stride }) => fits(size, 1) && fits(stride, 0)) &&
    origin.every((at) => fits(Math.abs(at), 0)) &&
    digits.every(({ extent, stride, step }) => fits(extent, 1) && fits(stride, 0) && fits(Math.abs(step), 0));
  const combinations = digits.reduce((product, { extent }) => product * extent, 1);
  if (!sound || combinations > maxPositions) return "its layout has numbers out of range";
  const reach = [...digits, ...parts].reduce((sum, { extent, step }) => sum + extent * Math.abs(step), 0);
  if (reach > maxPositions) return "its layout has numbers out of range";
  const last = dims.reduce((sum, { size, stride }) => sum + (size - 1) * stride, 0);
  if (last >= elements) return `its layout speaks of element ${last}, the shape has ${elements}`;
  try {
    return isComplete(layout, shape) || leavesOut ? undefined : "its layout leaves out elements";
  } catch (error) {
    if (error instanceof CompilerBug) return error.message;
    throw error;
  }
}
