import { expect, it } from "vitest";
import { diagnose, isProblem } from "../src/base/diagnostic.ts";
import type { Shape } from "../src/base/tensor.ts";
import type { NetworkOpName } from "../src/ops/index.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { Net } from "./ops-builder.ts";

type Attrs = { readonly [name: string]: unknown };

/** Operands as text: `[3, 8, 8]` is encrypted, `w[6, 3, 5, 5]` a constant. */
function tried(op: NetworkOpName, operands: readonly string[], attrs: Attrs) {
  const net = new Net();
  const ids = operands.map((text) => {
    const shape = JSON.parse(text.replace("w", "")) as Shape;
    return text.startsWith("w") ? net.constant(shape) : net.input(shape);
  });
  const result = net.try(op, ids, attrs);
  if (isProblem(result)) {
    const { id, message } = diagnose(result.problem, "nowhere", result.params as never);
    return `${id} ${message}`;
  }
  return shapeOf(net.graph(result).nodes[result]!.type);
}

const good: readonly (readonly [NetworkOpName, readonly string[], Attrs, Shape])[] = [
  ["conv2d", ["[1,28,28]", "w[6,1,5,5]", "w[6]"], { stride: 2, pad: 2 }, [6, 14, 14]],
  ["conv2d", ["[4,7,9]", "w[6,2,3,2]"], { groups: 2, dilation: [2, 3], pad: [1, 0, 2, 1] }, [6, 6, 7]],
  ["conv2d", ["[2,3,3]", "w[4,2,3,3]"], {}, [4, 1, 1]],
  ["dense", ["[84]", "w[10,84]", "w[10]"], {}, [10]],
  ["avg_pool", ["[3,7,7]"], { kernel: 2 }, [3, 3, 3]],
  ["avg_pool", ["[3,7,7]"], { kernel: 3, stride: 1, pad: 1 }, [3, 7, 7]],
  ["avg_pool", ["[1,2,2]"], { kernel: 2, pad: 3, count_include_pad: true }, [1, 4, 4]],
  ["max_pool", ["[3,8,6]"], { kernel: [2, 3] }, [3, 4, 2]],
  ["global_avg_pool", ["[5,4,3]"], {}, [5, 1, 1]],
  ["batch_norm", ["[3,4,4]", "w[3]", "w[3]", "w[3]", "w[3]"], {}, [3, 4, 4]],
  ["batch_norm", ["[3]", "w[3]", "w[3]", "w[3]", "w[3]"], {}, [3]],
  ["add", ["[3,4,4]", "w[3]"], {}, [3, 4, 4]],
  ["add", ["w[3,1,1]", "[3,4,4]"], {}, [3, 4, 4]],
  ["subtract", ["w[]", "[3,4,4]"], {}, [3, 4, 4]],
  ["multiply", ["[3,4,4]", "w[1,4,4]"], {}, [3, 4, 4]],
  ["multiply", ["[3]", "[3]"], {}, [3]],
  ["flatten", ["[2,3,4]"], {}, [24]],
  ["flatten", ["[]"], {}, [1]],
  ["reshape", ["[2,3,4]"], { shape: [4, -1] }, [4, 6]],
  ["transpose", ["[2,3,4]"], { perm: [2, 0, 1] }, [4, 2, 3]],
  ["slice", ["[5,6]"], { begin: [1, 0], end: [5, 6], step: [2, 4] }, [2, 2]],
  ["pad", ["[2,3,4]"], { sides: [1, 2, 3, 4] }, [2, 7, 10]],
  ["concat", ["[2,3]", "w[4,3]", "[1,3]"], {}, [7, 3]],
  ["concat", ["[2,3]", "[2,1]"], { axis: -1 }, [2, 4]],
  [
    "sum_of",
    ["[1,4,4]", "w[2,1,3,3]", "w[2]", "[2,3,3]", "w[2,2,1,1]", "[2,2,2]", "w[2]"],
    {
      layers: [
        { op: "conv2d", inputs: 3 },
        { op: "conv2d", inputs: 2, settings: { stride: 2 }, negated: true },
        { op: "multiply", inputs: 2, settings: {} },
      ],
    },
    [2, 2, 2],
  ],
  ["mean", ["[2,3,4]"], { axes: [0, -1] }, [3]],
  ["mean", ["[2,3,4]"], { axes: [1, 2], keep_dims: true }, [2, 1, 1]],
  ["softmax", ["[2,3]"], {}, [2, 3]],
  [
    "conv_transpose2d",
    ["[4,5,6]", "w[4,3,3,2]", "w[6]"],
    { stride: 2, pad: [1, 0, 0, 1], output_pad: 1, groups: 2 },
    [6, 11, 12],
  ],
  ["conv_transpose2d", ["[1,1,1]", "w[1,1,2,2]"], { dilation: [1, 3] }, [1, 2, 4]],
  ["expand", ["[1,3,1]"], { shape: [2, 3, 4] }, [2, 3, 4]],
  ["expand", ["[]"], { shape: [] }, []],
  ["gather", ["[2,3,4]"], { indices: [2, 2, 0, 1], axis: 1 }, [2, 4, 4]],
  ["gather", ["[2,3]"], { indices: [0], axis: -1 }, [2, 1]],
  ["matmul", ["[2,3]", "w[3,4]"], {}, [2, 4]],
  ["matmul", ["w[5,1,2,3]", "[1,6,3,4]"], {}, [5, 6, 2, 4]],
  ["max_pool", ["[1,5,5]"], { kernel: 2, stride: 1, dilation: 3 }, [1, 2, 2]],
  ["max_pool", ["[1,4,4]"], { kernel: 2, stride: 1, dilation: 3, pad: 1 }, [1, 3, 3]],
  ["sum", ["[2,3,4]"], { axes: [0, -1], keep_dims: true }, [1, 3, 1]],
  ["arg_max", ["[2,3]"], { axis: 0 }, [3]],
  ["prelu", ["[3,4,4]", "w[3]"], {}, [3, 4, 4]],
];

it.for(good)("%s of %s with %j has shape %j", ([op, operands, attrs, shape]) => {
  expect(tried(op, operands, attrs)).toEqual(shape);
});

const bad: readonly (readonly [NetworkOpName, readonly string[], Attrs, string])[] = [
  ["conv2d", ["[28,28]", "w[6,1,5,5]"], {}, "SW202 'conv2d' needs 'x' of shape [C, H, W], got [28, 28]"],
  [
    "conv2d",
    ["[3,4,4]", "w[6,3,5,5]"],
    {},
    "SW212 the window of 'conv2d' spans 5 x 5 elements, but its padded operand has only 4 x 4",
  ],
  [
    "conv2d",
    ["[3,4,4]", "w[6,3,3,1]"],
    { dilation: 2 },
    "SW212 the window of 'conv2d' spans 5 x 1 elements, but its padded operand has only 4 x 4",
  ],
  [
    "conv2d",
    ["[3,4,4]", "w[6,1,3,3]"],
    { groups: 2 },
    "SW213 'conv2d' has 3 input channels, which 2 groups do not divide",
  ],
  [
    "conv2d",
    ["[4,4,4]", "w[5,2,3,3]"],
    { groups: 2 },
    "SW213 'conv2d' has 5 output channels, which 2 groups do not divide",
  ],
  [
    "conv2d",
    ["[4,4,4]", "w[6,4,3,3]"],
    { groups: 2 },
    "SW214 'weight' of 'conv2d' has shape [6, 4, 3, 3], needed is [O, 2, kh, kw] because the input has 4 channel(s) in 2 groups",
  ],
  [
    "conv2d",
    ["[4,4,4]", "w[6,4]"],
    {},
    "SW214 'weight' of 'conv2d' has shape [6, 4], needed is [O, 4, kh, kw] because the input has 4 channel(s)",
  ],
  [
    "conv2d",
    ["[4,4,4]", "w[6,4,3,3]", "w[5]"],
    {},
    "SW214 'bias' of 'conv2d' has shape [5], needed is [6] because the weight has 6 output(s)",
  ],
  ["conv2d", ["[4,4,4]", "[6,4,3,3]"], {}, "SW204 'weight' of 'conv2d' must be a constant, got an encrypted value"],
  ["conv2d", ["[4,4,4]"], {}, "SW206 'conv2d' takes 2 to 3 operand(s), got 1"],
  [
    "conv2d",
    ["[1,40000,40000]", "w[2,1,1,1]"],
    {},
    "SW211 the result of 'conv2d' would have 3200000000 elements (shape [2, 40000, 40000]), at most 2147483647 are possible",
  ],
  ["dense", ["[1,84]", "w[10,84]"], {}, "SW202 'dense' needs 'x' of shape [I], got [1, 84]"],
  [
    "dense",
    ["[84]", "w[84,10]"],
    {},
    "SW214 'weight' of 'dense' has shape [84, 10], needed is [O, 84] because the input has 84 element(s)",
  ],
  ["dense", ["w[84]", "w[10,84]"], {}, "SW205 'input' of 'dense' is a constant, where an encrypted value is needed"],
  [
    "avg_pool",
    ["[3,7,7]"],
    { kernel: 8 },
    "SW212 the window of 'avg_pool' spans 8 x 8 elements, but its padded operand has only 7 x 7",
  ],
  [
    "avg_pool",
    ["[3,7,7]"],
    { kernel: 2, pad: 2 },
    "SW220 'avg_pool' pads by [2, 2, 2, 2], which leaves windows of 2 x 2 with padding only",
  ],
  [
    "max_pool",
    ["[3,7,7]"],
    { kernel: [3, 2], pad: [0, 2] },
    "SW220 'max_pool' pads by [0, 2, 0, 2], which leaves windows of 3 x 2 with padding only",
  ],
  [
    "batch_norm",
    ["[3,4,4]", "w[3]", "w[4]", "w[3]", "w[3]"],
    {},
    "SW214 'shift' of 'batch_norm' has shape [4], needed is [3] because the input has 3 channel(s)",
  ],
  [
    "batch_norm",
    ["[3,4,4]", "w[3]", "w[3]", "w[3]", "w[3]"],
    { epsilon: -1 },
    "SW203 'epsilon' of 'batch_norm' is -1, allowed is a number from 0",
  ],
  ["batch_norm", ["[]", "w[1]", "w[1]", "w[1]", "w[1]"], {}, "SW202 'batch_norm' needs 'x' of shape [C, ...], got []"],
  ["add", ["[3,4,4]", "[3]"], {}, "SW201 'add' needs matching shapes, got [3, 4, 4] and [3]"],
  ["add", ["[3]", "w[1,3]"], {}, "SW201 'add' needs matching shapes, got [3] and [1, 3]"],
  ["add", ["[1]", "w[1,1]"], {}, "SW201 'add' needs matching shapes, got [1] and [1, 1]"],
  ["multiply", ["w[4]", "[3,4,4]"], {}, "SW201 'multiply' needs matching shapes, got [4] and [3, 4, 4]"],
  ["subtract", ["w[3]", "w[3]"], {}, "SW205 'w' of 'subtract' is a constant, where an encrypted value is needed"],
  ["reshape", ["[2,3]"], { shape: [4, -1] }, "SW217 'reshape' cannot turn shape [2, 3] (6 elements) into [4, -1]"],
  ["reshape", ["[2,3]"], { shape: [-1, -1] }, "SW217 'reshape' cannot turn shape [2, 3] (6 elements) into [-1, -1]"],
  ["reshape", ["[2,3]"], { shape: [0, 6] }, "SW217 'reshape' cannot turn shape [2, 3] (6 elements) into [0, 6]"],
  [
    "transpose",
    ["[2,3]"],
    { perm: [1, 1] },
    "SW216 'perm' of 'transpose' is [1, 1], needed is each of the 2 axes once",
  ],
  [
    "transpose",
    ["[2,3]"],
    { perm: [1, 0, 2] },
    "SW216 'perm' of 'transpose' is [1, 0, 2], needed is each of the 2 axes once",
  ],
  [
    "slice",
    ["[5,6]"],
    { begin: [0, 2], end: [5, 7] },
    "SW219 'slice' takes 2 .. 7 of dimension 1, which has 6 element(s)",
  ],
  [
    "slice",
    ["[5,6]"],
    { begin: [3, 0], end: [3, 6] },
    "SW219 'slice' takes 3 .. 3 of dimension 0, which has 5 element(s)",
  ],
  [
    "slice",
    ["[5,6]"],
    { begin: [0], end: [5, 6] },
    "SW203 'begin' of 'slice' is [0], allowed is one number for each of the 2 dimensions",
  ],
  ["pad", ["[3]"], { sides: 1 }, "SW202 'pad' needs 'x' of shape [..., H, W], got [3]"],
  [
    "pad",
    ["[3,3]"],
    { sides: 1, value: Number.POSITIVE_INFINITY },
    "SW203 'value' of 'pad' is Infinity, allowed is a finite number",
  ],
  [
    "concat",
    ["[2,3]", "[2,4]"],
    {},
    "SW218 'concat' joins along axis 0, so all other sizes must agree, got [2, 3] and [2, 4]",
  ],
  [
    "concat",
    ["[2,3]", "[2]"],
    {},
    "SW218 'concat' joins along axis 0, so all other sizes must agree, got [2, 3] and [2]",
  ],
  [
    "concat",
    ["[2,3]", "[2,3]"],
    { axis: 2 },
    "SW215 'axis' of 'concat' names axis 2, but the operand has 2 dimension(s)",
  ],
  ["sum_of", ["[2]", "w[2]"], { layers: [{ op: "multiply", inputs: 3 }] }, "SW206 'sum_of' takes 3 operand(s), got 2"],
  [
    "sum_of",
    ["[2]", "w[2]", "w[2]"],
    { layers: [{ op: "multiply", inputs: 3 }] },
    "SW206 'multiply' takes 2 operand(s), got 3",
  ],
  [
    "sum_of",
    ["[2]", "w[2]", "[3]", "w[3]"],
    {
      layers: [
        { op: "multiply", inputs: 2 },
        { op: "multiply", inputs: 2 },
      ],
    },
    "SW201 'sum_of' needs matching shapes, got [2] and [3]",
  ],
  [
    "sum_of",
    ["[2]", "[2]"],
    { layers: [{ op: "multiply", inputs: 2 }] },
    "SW204 'right' of 'multiply' must be a constant, got an encrypted value",
  ],
  [
    "sum_of",
    ["[2]", "[4,2]"],
    { layers: [{ op: "dense", inputs: 2 }] },
    "SW204 'weight' of 'dense' must be a constant, got an encrypted value",
  ],
  [
    "sum_of",
    ["w[2]", "w[4,2]"],
    { layers: [{ op: "dense", inputs: 2 }] },
    "SW205 'input' of 'dense' is a constant, where an encrypted value is needed",
  ],
  [
    "sum_of",
    ["[2]", "w[4,3]"],
    { layers: [{ op: "dense", inputs: 2 }] },
    "SW214 'weight' of 'dense' has shape [4, 3], needed is [O, 2] because the input has 2 element(s)",
  ],
  ["concat", ["w[2,3]"], {}, "SW205 'w' of 'concat' is a constant, where an encrypted value is needed"],
  ["concat", [], {}, "SW206 'concat' takes at least 1 operand(s), got 0"],
  ["mean", ["[2,3]"], { axes: [2] }, "SW215 'axes' of 'mean' names axis 2, but the operand has 2 dimension(s)"],
  ["mean", ["[2,3]"], { axes: [1, -1] }, "SW203 'axes' of 'mean' is [1, -1], allowed is at least one axis, each once"],
  ["sum", ["[2,3]"], { axes: [] }, "SW203 'axes' of 'sum' is [], allowed is at least one axis, each once"],
  ["sum", ["[2,3]"], { axes: [2] }, "SW215 'axes' of 'sum' names axis 2, but the operand has 2 dimension(s)"],
  ["expand", ["[1,3]"], { shape: [2, 4] }, "SW201 'expand' needs matching shapes, got [1, 3] and [2, 4]"],
  ["expand", ["[3]"], { shape: [2, 3] }, "SW201 'expand' needs matching shapes, got [3] and [2, 3]"],
  [
    "expand",
    ["[1,1]"],
    { shape: [65536, 65536] },
    "SW211 the result of 'expand' would have 4294967296 elements (shape [65536, 65536]), at most 2147483647 are possible",
  ],
  [
    "gather",
    ["[2,3]"],
    { indices: [0, 3], axis: 1 },
    "SW203 'indices' of 'gather' is a list with 3, allowed is a list of integers from 0 to 2",
  ],
  [
    "gather",
    ["[2,3]"],
    { indices: [] },
    "SW210 the result of 'gather' would have shape [0, 3], which holds no elements",
  ],
  ["gather", ["[]"], { indices: [0] }, "SW215 'axis' of 'gather' names axis 0, but the operand has 0 dimension(s)"],
  ["matmul", ["[2,3]", "w[4,5]"], {}, "SW201 'matmul' needs matching shapes, got [2, 3] and [4, 5]"],
  ["matmul", ["[2,2,3]", "w[3,3,5]"], {}, "SW201 'matmul' needs matching shapes, got [2, 2, 3] and [3, 3, 5]"],
  ["matmul", ["[1,2,3]", "w[3,5]"], {}, "SW201 'matmul' needs matching shapes, got [1, 2, 3] and [3, 5]"],
  ["matmul", ["[3]", "w[3]"], {}, "SW202 'matmul' needs 'x' of shape [..., M, K], got [3]"],
  ["matmul", ["[1,3]", "w[3]"], {}, "SW202 'matmul' needs 'w' of shape [..., K, N], got [3]"],
  ["matmul", ["[2,3]", "[3,2]"], {}, "SW204 'x_1' of 'matmul' must be a constant, got an encrypted value"],
  ["matmul", ["w[2,3]", "w[3,2]"], {}, "SW205 'w' of 'matmul' is a constant, where an encrypted value is needed"],
  [
    "conv_transpose2d",
    ["[4,5]", "w[4,3,3,2]"],
    {},
    "SW202 'conv_transpose2d' needs 'x' of shape [C, H, W], got [4, 5]",
  ],
  [
    "conv_transpose2d",
    ["[4,5,6]", "w[3,3,3,2]"],
    {},
    "SW214 'weight' of 'conv_transpose2d' has shape [3, 3, 3, 2], needed is [4, O, kh, kw] because the input has 4 channel(s)",
  ],
  [
    "conv_transpose2d",
    ["[4,5,6]", "w[4,3,3,2]"],
    { groups: 3 },
    "SW213 'conv_transpose2d' has 4 input channels, which 3 groups do not divide",
  ],
  [
    "conv_transpose2d",
    ["[1,2,2]", "w[1,1,2,2]"],
    { pad: 2 },
    "SW210 the result of 'conv_transpose2d' would have shape [1, -1, -1], which holds no elements",
  ],
  [
    "conv_transpose2d",
    ["[4,5,6]", "w[4,3,3,2]", "w[3]"],
    { groups: 2 },
    "SW214 'bias' of 'conv_transpose2d' has shape [3], needed is [6] because the weight has 6 output(s)",
  ],
  [
    "max_pool",
    ["[1,1,4]"],
    { kernel: 2, stride: 1, dilation: 2, pad: [1, 0, 1, 0] },
    "SW220 'max_pool' pads by [1, 0, 1, 0], which leaves windows of 2 x 2 with padding only",
  ],
  ["arg_max", ["[]"], {}, "SW215 'axis' of 'arg_max' names axis -1, but the operand has 0 dimension(s)"],
  ["prelu", ["[3,4,4]", "w[4]"], {}, "SW201 'prelu' needs matching shapes, got [3, 4, 4] and [4]"],
  ["local_response_norm", ["[]"], { size: 3 }, "SW202 'local_response_norm' needs 'x' of shape [C, ...], got []"],
  ["softmax", ["[2,3]"], { axis: -3 }, "SW215 'axis' of 'softmax' names axis -3, but the operand has 2 dimension(s)"],
  [
    "polynomial",
    ["[2]"],
    { coeffs: [] },
    "SW203 'coeffs' of 'polynomial' is a list of 0 numbers, allowed is a list of 1 to 256 finite numbers",
  ],
  [
    "polynomial",
    ["[2]"],
    { coeffs: [1, Number.NaN] },
    "SW203 'coeffs' of 'polynomial' is a list with NaN, allowed is a list of 1 to 256 finite numbers",
  ],
  [
    "input",
    [],
    { shape: [2], range: [1, 0] },
    "SW203 'range' of 'input' is [1, 0], allowed is two numbers, the smaller first",
  ],
  [
    "input",
    [],
    { shape: [65536, 65536] },
    "SW211 the result of 'input' would have 4294967296 elements (shape [65536, 65536]), at most 2147483647 are possible",
  ],
  [
    "constant",
    [],
    { data: { shape: [2, 2], data: Float64Array.of(1, 2) } },
    "SW209 a 'constant' of shape [2, 2] needs 4 numbers, got 2",
  ],
  [
    "constant",
    [],
    { data: { shape: [2], data: Float64Array.of(1, Number.NaN) } },
    "SW208 element 1 of a 'constant' is NaN, allowed are finite numbers",
  ],
  [
    "constant",
    [],
    { data: { shape: [0], data: new Float64Array() } },
    "SW210 the result of 'constant' would have shape [0], which holds no elements",
  ],
];

it.for(bad)("%s of %s with %j is refused: %s", ([op, operands, attrs, message]) => {
  expect(tried(op, operands, attrs)).toBe(message);
});
