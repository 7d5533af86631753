import { type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, rowMajorStrides, type Shape } from "../base/tensor.ts";
import { addProduct } from "./matrix-product.ts";
import { defineOp, type Operand } from "./op.ts";
import { sized, stridedIndices } from "./shapes.ts";

export const matmul = defineOp({
  doc: "Matrix product over the last two dimensions: left [..., M, K] times right [..., K, N]. One of the two is a constant. Dimensions before the last two are equal, or 1 and repeated.",
  example: "y = matmul(x, @projection)",
  inputs: [
    { name: "left", doc: "value [..., M, K], encrypted or constant", takes: "any" },
    { name: "right", doc: "value [..., K, N], encrypted or constant; one of the two is encrypted", takes: "any" },
  ],
  attrs: {},
  shape: ([left, right]) => {
    const op = "matmul";
    if (left!.constant && right!.constant) return problem("needs-encrypted", { op, operand: left!.name });
    if (!left!.constant && !right!.constant) return problem("needs-constant", { op, operand: right!.name });
    return (
      wrongRank(left!, "[..., M, K]") ?? wrongRank(right!, "[..., K, N]") ?? productShape(left!.shape, right!.shape)
    );
  },
  depth: () => 1,
  evaluate: ([left, right]) => {
    const { shape, inner, columns, leftStarts, rightStarts } = layoutOf(left!.shape, right!.shape);
    const data = new Float64Array(elementCount(shape));
    const rows = shape.at(-2)!;
    for (let line = 0; line < leftStarts.length; line += rows) {
      const from = rightStarts[line]!;
      addProduct({
        rows,
        inner,
        columns,
        left: left!.data,
        leftStart: leftStarts[line]!,
        copyRight: (k, first, count, block, at) => {
          const start = from + k * columns + first;
          block.set(right!.data.subarray(start, start + count), at);
        },
        result: data,
        resultStart: line * columns,
      });
    }
    return { shape, data };
  },
  linear: ([left, right]) => {
    if (left!.constant === right!.constant) return undefined;
    const { shape, inner, columns, leftStarts, rightStarts } = layoutOf(left!.shape, right!.shape);
    const encryptedLeft = !left!.constant;
    return {
      inputSizes: [elementCount(encryptedLeft ? left!.shape : right!.shape)],
      outputSize: elementCount(shape),
      forRow: (row, visit) => {
        const line = Math.floor(row / columns);
        const [a, b] = [leftStarts[line]!, rightStarts[line]! + (row % columns)];
        for (let k = 0; k < inner; k++) {
          if (encryptedLeft) visit(0, a + k, b + k * columns);
          else visit(0, b + k * columns, a + k);
        }
      },
      coefficients: ([factors]) => factors!.data,
      bias: () => undefined,
    };
  },
});

function wrongRank({ name, shape }: Operand, allowed: string): Problem | undefined {
  if (shape.length >= 2) return undefined;
  return problem("rank-mismatch", { op: "matmul", operand: `'${name}'`, found: shape, allowed });
}

function productShape(left: Shape, right: Shape): Shape | Problem {
  const rank = left.length;
  const batches = left.slice(0, -2).map((size, d) => (size === 1 ? right[d]! : size));
  const fits =
    right.length === rank &&
    left[rank - 1] === right[rank - 2] &&
    batches.every((size, d) => right[d] === size || right[d] === 1);
  if (!fits) return problem("shape-mismatch", { op: "matmul", left, right });
  return sized("matmul", [...batches, left[rank - 2]!, right[rank - 1]!]);
}

/** Where the operands of each row of the result begin: a row of the left matrix, and the right matrix. */
function layoutOf(left: Shape, right: Shape) {
  const shape = productShape(left, right) as Shape;
  const rank = shape.length;
  const lines = shape.slice(0, -1);
  const starts = (operand: Shape, perLine: number) => {
    const strides = rowMajorStrides(operand);
    const batch = lines.slice(0, -1).map((_, d) => (operand[d] === 1 ? 0 : strides[d]!));
    return stridedIndices(lines, [...batch, perLine]);
  };
  const inner = left[rank - 1]!;
  return {
    shape,
    inner,
    columns: right[rank - 1]!,
    leftStarts: starts(left, inner),
    rightStarts: starts(right, 0),
  };
}
