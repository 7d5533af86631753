import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import type { AttrSpec } from "../ops/attributes.ts";
import type { NetworkOpName } from "../ops/index.ts";
import type { NetworkOp, Operand } from "../ops/op.ts";
import { shapeWords } from "./model.ts";

/** Elements of one value, encrypted or worked out when compiling. */
const maxValueElements = 2 ** 27;

/** Elements of all values worked out when compiling; they take eight bytes each until the network is written. */
const maxFoldedElements = 2 ** 28;

/** Multiplications in all of them: some minutes of work. */
const maxFoldedProducts = 2 ** 36;

/** Counts what is worked out when compiling one model, and stops it in time. */
export class FoldingBudget {
  #elements = 0;
  #products = 0;

  /**
   * Takes a value with so many multiplications for each element into account; the problem that it, or all values together,
   * are too large.
   */
  spend(shape: Shape, products = 1): Problem | undefined {
    const single = tooLarge(shape);
    if (single !== undefined) return single;
    this.#elements += elementCount(shape);
    this.#products += elementCount(shape) * products;
    if (this.#elements > maxFoldedElements) return beyond("elements", this.#elements, maxFoldedElements);
    return this.#products > maxFoldedProducts
      ? beyond("multiplications", this.#products, maxFoldedProducts)
      : undefined;
  }
}

function beyond(what: string, found: number, limit: number): Problem {
  const work = `working out values when compiling takes too many ${what}`;
  return problem("onnx-limit", { what: work, found: `${found}`, limit: `${limit}` });
}

/** The problem that a value of this shape is too large. */
export function tooLarge(shape: Shape): Problem | undefined {
  if (elementCount(shape) <= maxValueElements) return undefined;
  const found = `${elementCount(shape)} elements in the shape ${shapeWords(shape)}`;
  return problem("onnx-limit", { what: "a value has", found, limit: `${maxValueElements}` });
}

/** The result of a network op on known operands. */
export function folded(
  op: NetworkOpName,
  definition: NetworkOp<AttrSpec>,
  tensors: readonly Tensor[],
  attrs: object,
  budget: FoldingBudget,
): Tensor | Problem {
  const specs = definition.inputs;
  const operands = tensors.map(({ shape }, i): Operand => {
    const spec = specs[Math.min(i, specs.length - 1)]!;
    // Rules that ask for an encrypted operand mean one of any numbers: here all are known, and the first one plays that part.
    return { name: spec.name, shape, constant: spec.takes === "constant" || (spec.takes === "any" && i > 0) };
  });
  const shape = definition.shape(operands, attrs as never);
  if (isProblem(shape)) return shape;
  return budget.spend(shape, productsPerElement(op, tensors)) ?? definition.evaluate(tensors, attrs as never);
}

/** How many multiplications one element of the result takes; only the products of matrices and images take many. */
function productsPerElement(op: NetworkOpName, [image, weight]: readonly Tensor[]): number {
  if (op === "matmul") return image!.shape.at(-1)!;
  if (op === "dense" || op === "conv2d") return elementCount(weight!.shape.slice(1));
  if (op === "conv_transpose2d") return elementCount(weight!.shape) / weight!.shape[1]!;
  return 1;
}
