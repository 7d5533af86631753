import { chebyshevAt, inUnit } from "../base/chebyshev.ts";
import { type Problem, problem } from "../base/diagnostic.ts";
import type { LinearMap } from "../base/linear-map.ts";
import { elementCount, type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { channelwise, once } from "./linear-maps.ts";
import { defineOp, type InputSpec, type Operand } from "./op.ts";
import { broadcastStrides, stridedIndices } from "./shapes.ts";

const broadcasts =
  "Two encrypted operands need equal shapes; a constant may also have one element, sizes of 1 for 'all', or be [C] with one number per channel.";
const pairOf: readonly InputSpec[] = [
  { name: "left", doc: "encrypted or constant", takes: "any" },
  { name: "right", doc: "encrypted or constant; one of the two is encrypted", takes: "any" },
];
const input: InputSpec = { name: "input", doc: "any value", takes: "encrypted" };

/** The shape of a layer that meets each element of one operand with one of the other, or what is wrong with them. */
export function elementwiseShape(op: string, left: Operand, right: Operand): Shape | Problem {
  if (left.constant && right.constant) return problem("needs-encrypted", { op, operand: left.name });
  const mismatch = () => problem("shape-mismatch", { op, left: left.shape, right: right.shape });
  if (!left.constant && !right.constant) return sameShape(left.shape, right.shape) ? left.shape : mismatch();
  const [constant, encrypted] = left.constant ? [left, right] : [right, left];
  return broadcastStrides(constant.shape, encrypted.shape) === undefined ? mismatch() : encrypted.shape;
}

/**
 * Applies `f` element by element; the smaller operand is repeated. The larger one is known by its rank or, at equal ranks,
 * its size, so it does not matter which operand is the constant.
 */
export function elementwise(left: Tensor, right: Tensor, f: (a: number, b: number) => number): Tensor {
  const ranks = left.shape.length - right.shape.length;
  if (ranks > 0 || (ranks === 0 && left.data.length >= right.data.length)) {
    const at = stridedIndices(left.shape, broadcastStrides(right.shape, left.shape)!);
    return { shape: left.shape, data: left.data.map((a, i) => f(a, right.data[at[i]!]!)) };
  }
  const at = stridedIndices(right.shape, broadcastStrides(left.shape, right.shape)!);
  return { shape: right.shape, data: right.data.map((b, i) => f(left.data[at[i]!]!, b)) };
}

export const add = defineOp({
  doc: `Sum, element by element; also written a + b. ${broadcasts}`,
  example: "y = add(h, skip)",
  inputs: pairOf,
  attrs: {},
  shape: ([left, right]) => elementwiseShape("add", left!, right!),
  depth: () => 0,
  evaluate: ([left, right]) => elementwise(left!, right!, (a, b) => a + b),
});

export const subtract = defineOp({
  doc: `Difference, element by element. ${broadcasts}`,
  example: "y = subtract(x, @mean)",
  inputs: pairOf,
  attrs: {},
  shape: ([left, right]) => elementwiseShape("subtract", left!, right!),
  depth: () => 0,
  evaluate: ([left, right]) => elementwise(left!, right!, (a, b) => a - b),
});

export const multiply = defineOp({
  doc: `Product, element by element; also written a * b. ${broadcasts} Either kind of product uses one level.`,
  example: "y = multiply(gate, h)",
  inputs: pairOf,
  attrs: {},
  shape: ([left, right]) => elementwiseShape("multiply", left!, right!),
  depth: () => 1,
  evaluate: ([left, right]) => elementwise(left!, right!, (a, b) => a * b),
  linear: ([left, right]) => {
    if (left!.constant === right!.constant) return undefined;
    const [constant, encrypted] = left!.constant ? [left!, right!] : [right!, left!];
    const size = elementCount(encrypted.shape);
    const at = stridedIndices(encrypted.shape, broadcastStrides(constant.shape, encrypted.shape)!);
    return {
      inputSizes: [size],
      outputSize: size,
      forRow: (row, visit) => visit(0, row, at[row]!),
      kernels: factorKernels(at, elementCount(constant.shape)),
      coefficients: ([factors]) => factors!.data,
      bias: () => undefined,
    };
  },
});

/** Factors that are alike in neighbouring elements, as kernels of as many channels; undefined where they come back. */
function factorKernels(at: Int32Array, factors: number): LinearMap["kernels"] {
  const each = at.length / factors;
  if (!at.every((factor, row) => factor === Math.floor(row / each))) return undefined;
  return once(() => {
    const pairs = Int32Array.from({ length: 2 * each }, (_, i) => i >> 1);
    const kernel = channelwise(factors, each, each, [{ pairs, weight: 0 }]);
    return [{ ...kernel, weights: { ...kernel.weights, perOutput: 1 } }];
  });
}

export const negate = defineOp({
  doc: "Negation; uses no level.",
  example: "y = negate(x)",
  inputs: [input],
  attrs: {},
  shape: ([x]) => x!.shape,
  depth: () => 0,
  evaluate: ([x]) => ({ shape: x!.shape, data: x!.data.map((v) => -v) }),
});

export const square = defineOp({
  doc: "Square of each element: the cheapest activation, one level.",
  example: "a = square(c)",
  inputs: [input],
  attrs: {},
  shape: ([x]) => x!.shape,
  depth: () => 1,
  evaluate: ([x]) => ({ shape: x!.shape, data: x!.data.map((v) => v * v) }),
});

/** Degree of a polynomial given by c0, c1, ...; zeros at the end do not count. */
export function degreeOf(coeffs: readonly number[]): number {
  return Math.max(
    0,
    coeffs.findLastIndex((c) => c !== 0),
  );
}

export const polynomial = defineOp({
  doc: "Polynomial activation c0 + c1 x + c2 x^2 + ..., element by element. Uses ceil(log2(degree + 1)) levels, one less where a degree of 2, 4, 8, ... meets a neighbouring linear layer.",
  example: "a = polynomial(c, coeffs = [0, 0.5, 0.25])",
  inputs: [input],
  attrs: {
    coeffs: attr.numbers("c0, c1, c2, ..., finite; degree at most 255"),
    chebyshev: attr.numbers(
      "[low, high]: the coefficients are those of c0 T0(t) + c1 T1(t) + ..., t going from -1 to 1 as x goes from low to high; better than powers of x where the range is large",
      [],
    ),
  },
  shape: ([x], { coeffs, chebyshev }) => {
    const wrong = (attribute: string, found: string, allowed: string) =>
      problem("bad-attribute", { op: "polynomial", attribute, found, allowed });
    const [low, high, ...others] = chebyshev;
    const isRange =
      low !== undefined && high !== undefined && others.length === 0 && high - low < Infinity && low < high;
    if (chebyshev.length > 0 && !isRange) {
      return wrong("chebyshev", `[${chebyshev.join(", ")}]`, "[low, high], finite, the first below the second");
    }
    if (coeffs.length > 0 && coeffs.length <= 256 && coeffs.every(Number.isFinite)) return x!.shape;
    const bad = coeffs.find((c) => !Number.isFinite(c));
    const found = bad === undefined ? `a list of ${coeffs.length} numbers` : `a list with ${bad}`;
    return wrong("coeffs", found, "a list of 1 to 256 finite numbers");
  },
  // A polynomial of degree 0 still multiplies its operand, by 0.
  depth: (_, { coeffs }) => Math.max(1, Math.ceil(Math.log2(degreeOf(coeffs) + 1))),
  evaluate: ([x], { coeffs, chebyshev: [low, high] }) => {
    if (low === undefined || high === undefined) {
      return { shape: x!.shape, data: x!.data.map((v) => coeffs.reduceRight((sum, c) => sum * v + c, 0)) };
    }
    return { shape: x!.shape, data: x!.data.map((v) => chebyshevAt(coeffs, inUnit(v, [low, high]))) };
  },
});
