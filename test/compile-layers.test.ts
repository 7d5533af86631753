import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { NodeId } from "../src/ir/graph.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { distance } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

type Attrs = { readonly [name: string]: unknown };
type Layers = (net: Net, x: NodeId) => NodeId;

const conv = (net: Net, x: NodeId, weight: readonly number[], attrs: Attrs = {}) =>
  net.op("conv2d", [x, net.constant(weight)], attrs);
const up = (net: Net, x: NodeId, weight: readonly number[], attrs: Attrs = {}) =>
  net.op("conv_transpose2d", [x, net.constant(weight)], attrs);

/** Networks of one input, in a ring of 1024: ciphertexts of 512 slots. */
const cases: readonly (readonly [string, readonly number[], Layers])[] = [
  [
    "expand of several dimensions into several ciphertexts",
    [1, 3, 1, 2],
    (net, x) => net.op("expand", [x], { shape: [5, 3, 40, 2] }),
  ],
  [
    "expand of a number per channel to an image it is multiplied with",
    [4, 7, 6],
    (net, x) => {
      const gate = net.op("expand", [net.op("global_avg_pool", [x])], { shape: [4, 7, 6] });
      return net.op("multiply", [gate, x]);
    },
  ],
  [
    "gather with repeats across ciphertexts",
    [6, 20, 20],
    (net, x) => net.op("gather", [x], { indices: [5, 0, 5, 2, 2], axis: 0 }),
  ],
  ["gather of columns", [3, 9, 9], (net, x) => net.op("gather", [x], { indices: [8, 8, 3, 0], axis: -1 })],
  [
    "gather from a list longer than a ciphertext",
    [1500],
    (net, x) => net.op("gather", [x], { indices: [1499, 0, 700] }),
  ],
  ["sum of all elements to a scalar", [3, 5, 7], (net, x) => net.op("sum", [x], { axes: [0, 1, 2] })],
  ["sum over the middle of five dimensions", [2, 3, 4, 2, 5], (net, x) => net.op("sum", [x], { axes: [1, -2] })],
  [
    "sum of a square over the channels of an image after a stride",
    [2, 12, 12],
    (net, x) => {
      const c = net.op("square", [conv(net, x, [4, 2, 3, 3], { stride: 2, pad: 1 })]);
      return net.op("sum", [c], { axes: [0], keep_dims: true });
    },
  ],
  ["matmul with the constant on the right", [12, 10], (net, x) => net.op("matmul", [x, net.constant([10, 7])])],
  ["matmul with the constant on the left", [12, 10], (net, x) => net.op("matmul", [net.constant([17, 12]), x])],
  [
    "batched matmul with the constant on the right, which is repeated",
    [3, 2, 6, 5],
    (net, x) => net.op("matmul", [x, net.constant([1, 2, 5, 4])]),
  ],
  [
    "batched matmul with the constant on the left, for which the input is repeated",
    [2, 1, 6, 5],
    (net, x) => net.op("matmul", [net.constant([2, 3, 7, 6]), x]),
  ],
  [
    "matmul across ciphertexts, twice, with a square between",
    [40, 30],
    (net, x) => {
      const h = net.op("square", [net.op("matmul", [x, net.constant([30, 16])])]);
      return net.op("matmul", [net.constant([3, 40]), h]);
    },
  ],
  ["conv_transpose2d of a small image", [2, 4, 4], (net, x) => up(net, x, [2, 3, 3, 3], { stride: 2, pad: 1 })],
  [
    "conv_transpose2d with stride 2, output_pad and groups",
    [4, 5, 6],
    (net, x) => up(net, x, [4, 3, 3, 2], { stride: 2, pad: [1, 0, 0, 1], output_pad: [1, 1], groups: 2 }),
  ],
  [
    "conv_transpose2d with stride 3, dilation and rows no weight reaches",
    [1, 4, 3],
    (net, x) => up(net, x, [1, 2, 2, 2], { stride: 3, dilation: 2, output_pad: [2, 4] }),
  ],
  [
    "conv_transpose2d back to the image before two strides",
    [2, 16, 16],
    (net, x) => {
      const large = net.op("square", [conv(net, x, [4, 2, 3, 3], { stride: 2, pad: 1 })]);
      const small = conv(net, large, [6, 4, 3, 3], { stride: 2, pad: 1 });
      const middle = up(net, small, [6, 4, 4, 4], { stride: 2, pad: 1 });
      return up(net, middle, [4, 2, 2, 2], { stride: 2 });
    },
  ],
  [
    "convolutions of an enlarged image",
    [3, 6, 6],
    (net, x) => {
      const large = net.op("square", [up(net, x, [3, 2, 2, 2], { stride: 2 })]);
      return conv(net, net.op("square", [conv(net, large, [3, 2, 3, 3], { pad: 1 })]), [1, 3, 3, 3], { stride: 2 });
    },
  ],
  [
    "a sum of every new layer",
    [2, 4, 4],
    (net, x) => {
      const parts = [
        up(net, x, [2, 2, 2, 2], { stride: 2 }),
        net.op("gather", [net.op("gather", [x], { indices: [0, 0, 3, 3, 2, 2, 1, 1], axis: 1 })], {
          indices: [3, 2, 1, 0, 0, 1, 2, 3],
          axis: 2,
        }),
        net.op("matmul", [net.op("matmul", [net.constant([1, 8, 4]), x]), net.constant([2, 4, 8])]),
        net.op("expand", [net.op("sum", [x], { axes: [1, 2], keep_dims: true })], { shape: [2, 8, 8] }),
      ];
      return parts.reduce((sum, part, i) => net.op(i === 2 ? "subtract" : "add", [sum, part]));
    },
  ],
];

it.for(cases)("%s computes the same as its plan on numbers", async ([, shape, layers]) => {
  const net = new Net();
  const graph = net.graph(layers(net, net.input(shape)));
  const inputs = new Map([["x", randomTensor(shape)]]);
  const settings = { ...defaultSettings, degree: 1024, precision: -64, insecure: true };
  const { plan } = compileGraph({ graph, settings, diagnostics: new Diagnostics() });
  const computed = await simMachine.run(plan, inputs);
  for (const [name, value] of evaluate(graph, inputs)) {
    expect(computed.get(name)!.shape).toEqual(value.shape);
    expect(distance(value, computed.get(name)!), name).toBeLessThan(1e-9);
  }
});
