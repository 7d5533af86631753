import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Shape, tensor } from "../src/base/tensor.ts";
import { importModel } from "../src/onnx/import.ts";
import { onnxModel } from "./onnx-models.ts";

import { expectBoth, naiveConv, naiveConvTranspose, type WindowDraft } from "./onnx-naive.ts";
import { encrypted, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";
import { randomTensor } from "./ops-builder.ts";

const size = (least: number, most: number) => fc.integer({ min: least, max: most });

/** A convolution of one to three dimensions whose window fits, with everything uneven that there is. */
const convolutions = size(1, 3).chain((rank) => {
  const each = (least: number, most: number) => fc.array(size(least, most), { minLength: rank, maxLength: rank });
  return fc.record({
    kernel: each(1, 3),
    strides: each(1, 3),
    dilations: each(1, 2),
    begin: each(0, 2),
    end: each(0, 2),
    extra: each(0, 2),
    batch: size(1, 3),
    groups: size(1, 2),
    channels: size(1, 2),
    outputs: size(1, 2),
    bias: fc.boolean(),
  });
});

it("Conv in one, two and three dimensions is what its definition says, in batches and groups", () => {
  const property = fc.property(convolutions, (c) => {
    const sizes = c.kernel.map((k, d) => (k - 1) * c.dilations[d]! + 1 + c.extra[d]!);
    const x = randomTensor([c.batch, c.channels * c.groups, ...sizes], 1);
    const w = randomTensor([c.outputs * c.groups, c.channels, ...c.kernel], 2);
    const bias = c.bias ? randomTensor([c.outputs * c.groups], 3) : undefined;
    const window = { strides: c.strides, dilations: c.dilations, pads: [...c.begin, ...c.end] };
    const draft: SingleDraft = {
      op: "Conv",
      operands: [{ encrypted: x }, weight(w.shape, w.data), ...(bias ? [weight(bias.shape, bias.data)] : [])],
      attributes: { ...window, group: c.groups },
    };
    expectBoth(draft, naiveConv(x, w, bias, c.groups, window));
  });
  fc.assert(property, { numRuns: 80 });
});

it("ConvTranspose in one, two and three dimensions is what its definition says", () => {
  const property = fc.property(convolutions, (c) => {
    const sizes = c.extra.map((e) => e + 1);
    const full = sizes.map((s, d) => (s - 1) * c.strides[d]! + (c.kernel[d]! - 1) * c.dilations[d]! + 1);
    const outputPadding = c.end.map((e, d) => Math.min(e, c.strides[d]! - 1));
    const begin = c.begin.map((b, d) => Math.min(b, full[d]! - 1));
    const end = c.kernel.map((k, d) => Math.min(k, full[d]! - 1 - begin[d]!));
    const x = randomTensor([c.batch, c.channels * c.groups, ...sizes], 1);
    const w = randomTensor([c.channels * c.groups, c.outputs, ...c.kernel], 2);
    const bias = c.bias ? randomTensor([c.outputs * c.groups], 3) : undefined;
    const window = { strides: c.strides, dilations: c.dilations, pads: [...begin, ...end] };
    const result = full.map((f, d) => f + outputPadding[d]! - begin[d]! - end[d]!);
    const draft: SingleDraft = {
      op: "ConvTranspose",
      operands: [{ encrypted: x }, weight(w.shape, w.data), ...(bias ? [weight(bias.shape, bias.data)] : [])],
      attributes: { ...window, group: c.groups, output_padding: outputPadding },
    };
    expectBoth(draft, naiveConvTranspose(x, w, bias, c.groups, window, result));
  });
  fc.assert(property, { numRuns: 80 });
});

const conv = (x: Shape, w: Shape, attributes: SingleDraft["attributes"] = {}, opset = 17): SingleDraft => ({
  op: "Conv",
  opset,
  operands: [encrypted(x), weight(w)],
  attributes,
});

function expectPads(auto: string, x: Shape, w: Shape, strides: Shape, dilations: Shape, pads: Shape): void {
  const [image, kernel] = [randomTensor(x, 1), randomTensor(w, 2)];
  const window: WindowDraft = { strides, dilations, pads };
  const operands = [{ encrypted: image }, weight(w, kernel.data)];
  // What 'pads' says besides 'auto_pad' does not count.
  const attributes = { auto_pad: auto, strides, dilations, pads: pads.map(() => 1) };
  expectBoth({ op: "Conv", operands, attributes }, naiveConv(image, kernel, undefined, 1, window));
}

it("auto_pad gives one position for each stride, and an odd element to one side", () => {
  expectPads("SAME_UPPER", [1, 1, 5, 6], [1, 1, 2, 3], [1, 2], [1, 1], [0, 0, 1, 1]);
  expectPads("SAME_LOWER", [1, 1, 5, 6], [1, 1, 2, 3], [1, 2], [1, 1], [1, 1, 0, 0]);
  expectPads("SAME_UPPER", [1, 1, 7], [1, 1, 2], [2], [3], [1, 2]);
  expectPads("VALID", [1, 1, 5, 6], [1, 1, 2, 3], [1, 2], [1, 1], [0, 0, 0, 0]);
});

it("auto_pad adds nothing where strides leave elements out", () => {
  const out = resultOf(conv([1, 1, 7], [1, 1, 1], { auto_pad: "SAME_UPPER", strides: [3] }));
  expect(out.shape).toEqual([1, 1, 3]);
});

it("no view stands between convolutions of a batch", () => {
  const diagnostics = new Diagnostics();
  const { graph } = importModel(
    onnxModel({
      inputs: { x: [3, 2, 6, 6] },
      weights: { w: randomTensor([2, 2, 3, 3], 1), v: randomTensor([2, 1, 3, 3], 2) },
      nodes: [
        ["Conv", ["x", "w"], ["a"], { strides: [2, 2], pads: [1, 0, 0, 1] }],
        ["Conv", ["a", "v"], ["b"], { strides: [2, 2], pads: [1, 1, 1, 1], group: 2 }],
        ["ConvTranspose", ["b", "v"], ["y"], { group: 2 }],
      ],
      outputs: ["y"],
    }),
    {},
    diagnostics,
  )!;
  const layers = graph.nodes.map((node) => node.op).filter((op) => op !== "constant");
  expect(layers).toEqual(["input", "reshape", "conv2d", "conv2d", "conv_transpose2d", "reshape"]);
});

it("a stride that goes nowhere may be of any size, and weights may be zero", () => {
  expectBoth(
    {
      op: "Conv",
      operands: [encrypted([1, 1, 2], [1, 2]), weight([1, 1, 2], [3, 4])],
      attributes: { strides: [2 ** 40] },
    },
    tensor([1, 1, 1], [11]),
  );
  const zeros = weight([2, 2, 3, 3], new Array<number>(36).fill(0));
  expectBoth({ op: "Conv", operands: [encrypted([1, 2, 3, 3]), zeros] }, tensor([1, 2, 1, 1], [0, 0]));
});

it("ConvTranspose shares the padding for an output shape, and adds what is missing", () => {
  const image = randomTensor([1, 1, 3, 3], 1);
  const kernel = randomTensor([1, 2, 3, 3], 2);
  const operands = [{ encrypted: image }, weight(kernel.shape, kernel.data)];
  const expectShape = (attributes: SingleDraft["attributes"], strides: Shape, pads: Shape, sizes: Shape) =>
    expectBoth(
      { op: "ConvTranspose", operands, attributes: { ...attributes, strides } },
      naiveConvTranspose(image, kernel, undefined, 1, { strides, dilations: [1, 1], pads }, sizes),
    );
  expectShape({ output_shape: [10, 8] }, [3, 2], [0, 0, 0, 0], [10, 8]);
  expectShape({ output_shape: [1, 2, 6, 6] }, [2, 2], [1, 1, 0, 0], [6, 6]);
  expectShape({ output_shape: [6, 4], auto_pad: "SAME_UPPER" }, [2, 2], [0, 1, 1, 2], [6, 4]);
  expectShape({ auto_pad: "SAME_UPPER" }, [2, 2], [0, 0, 1, 1], [6, 6]);
  expectShape({ auto_pad: "SAME_LOWER" }, [2, 2], [1, 1, 0, 0], [6, 6]);
  const older = { op: "ConvTranspose", opset: 10, operands, attributes: { output_shape: [6, 5], strides: [2, 2] } };
  expect(refusalOf(older)).toMatch(/onnx-unsupported: .*'output_shape' cuts 1 elements off dimension 0/);
  const gaps = { op: "ConvTranspose", operands, attributes: { auto_pad: "SAME_UPPER", strides: [5, 5] } };
  expect(refusalOf(gaps)).toMatch(/onnx-unsupported: .*leave gaps/);
});

it("what breaks the rules is refused by name", () => {
  const x: Shape = [1, 2, 5, 5];
  const w: Shape = [4, 2, 3, 3];
  expect(refusalOf(conv(x, w, { strides: [0, 1] }))).toMatch(
    /onnx-attribute: .*'strides' of Conv is \[0, 1\].*from 1 on/,
  );
  expect(refusalOf(conv(x, w, { strides: [1] }))).toMatch(/'strides'.*2 integers/);
  expect(refusalOf(conv(x, w, { dilations: [1, 1, 1] }))).toMatch(/'dilations'/);
  expect(refusalOf(conv(x, w, { pads: [1, 1] }))).toMatch(/'pads'.*4 integers from 0 on/);
  expect(refusalOf(conv(x, w, { pads: [1, 1, -1, 1] }))).toMatch(/'pads'/);
  expect(refusalOf(conv(x, w, { auto_pad: "SAME" }))).toMatch(/'auto_pad'.*SAME_UPPER/);
  expect(refusalOf(conv(x, w, { kernel_shape: [3, 2] }))).toMatch(/'kernel_shape'.*\[3, 3\], the weight's/);
  expect(refusalOf(conv(x, w, { group: 0 }))).toMatch(/'group'/);
  expect(refusalOf(conv(x, w, { group: 2 }))).toMatch(
    /onnx-operand: .*\[4, 2, 3, 3\] does not fit images \[1, 2, 5, 5\] in 2 groups/,
  );
  expect(refusalOf(conv(x, [4, 2, 3]))).toMatch(/onnx-operand/);
  expect(refusalOf(conv(x, [4, 2, 7, 7], { dilations: [2, 2] }))).toMatch(
    /onnx-operand: .*\[7, 7\] with dilations \[2, 2\] is larger than the image \[5, 5\]/,
  );
  expect(refusalOf(conv([1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 1, 1]))).toMatch(/onnx-unsupported: .*4 dimensions/);
  expect(refusalOf({ op: "Conv", operands: [encrypted(x), weight(w), weight([3])] })).toMatch(
    /bias has the shape \[3\]/,
  );
  expect(refusalOf({ op: "Conv", operands: [encrypted(x), encrypted(w)] })).toMatch(
    /onnx-needs-known: .*the weight.*'x1'/,
  );
  const transposed = (attributes: SingleDraft["attributes"]) =>
    refusalOf({ op: "ConvTranspose", operands: [encrypted(x), weight([2, 4, 3, 3])], attributes });
  expect(transposed({ pads: [4, 0, 4, 0] })).toMatch(/'pads'.*leaves some of the 7 elements/);
  expect(transposed({ output_shape: [0, 4] })).toMatch(/'output_shape'/);
  expect(transposed({ output_padding: [-1, 0] })).toMatch(/'output_padding'/);
  expect(refusalOf({ op: "QLinearConv", operands: [encrypted(x)] })).toMatch(/onnx-unsupported: .*rounded/);
});

it("what a network cannot say is refused before it is compiled", () => {
  const draft = conv([1, 1, 3], [1, 1, 3], { pads: [70000, 70000] });
  expect(refusalOf(draft)).toMatch(/onnx-limit: .*70000/);
});
