import { elementCount } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Known, Value } from "../value.ts";
import { depthAsChannels, eachRepeated, tiled } from "./conv-weights.ts";
import { transposedWindowsOf } from "./transposed-window.ts";
import { type AxisWindow, kernelOf, unitWindow, windowAttributes, windowsOf } from "./window.ts";

const conv = defineOperator({
  name: "Conv",
  doc: "Convolution in one, two or three dimensions by a known weight.",
  encrypted: "yes",
  inputs: [2, 3],
  attributes: { ...windowAttributes, group: "int" },
  convert: (node) => {
    const { x, weight, groups, sizes, taps } = operandsOf(node);
    const [outputs, perGroup] = weight.shape as [number, number];
    if (perGroup * groups !== x.shape[1] || outputs % groups !== 0) wrongWeight(node, x, weight, groups);
    const windows = windowsOf(node, sizes, kernelOf(node, sizes.length, taps));
    const { operands, attrs } = imageLayer(node, { x, weight, groups, bias: biasOf(node, outputs), windows });
    const result = node.apply("conv2d", operands, attrs);
    return [node.view(result, [x.shape[0]!, outputs, ...windows.map((w) => w.count)])];
  },
});

const convTranspose = defineOperator({
  name: "ConvTranspose",
  doc: "Transposed convolution in one, two or three dimensions by a known weight.",
  encrypted: "yes",
  inputs: [2, 3],
  attributes: { ...windowAttributes, group: "int", output_padding: "ints", output_shape: "ints" },
  convert: (node) => {
    const { x, weight, groups, sizes, taps } = operandsOf(node);
    const [channels, perGroup] = weight.shape as [number, number];
    if (channels !== x.shape[1] || channels % groups !== 0) wrongWeight(node, x, weight, groups);
    const outputs = perGroup * groups;
    const windows = transposedWindowsOf(node, sizes, kernelOf(node, sizes.length, taps));
    const { operands, attrs } = imageLayer(node, {
      x,
      weight,
      groups,
      bias: biasOf(node, outputs),
      windows,
      transposed: true,
    });
    const added = [0, 0, ...windows.map((w) => w.added)];
    const output_pad = [added.at(-2)!, added.at(-1)!] as const;
    const result = node.apply("conv_transpose2d", operands, { ...attrs, output_pad });
    return [node.view(result, [x.shape[0]!, outputs, ...windows.map((w) => w.count)])];
  },
});

export const convOperators: readonly Operator[] = [conv, convTranspose];

function operandsOf(node: NodeContext) {
  const x = node.input(0);
  const weight = node.known(1, "the weight");
  const groups = node.int("group", 1);
  if (groups < 1) node.badAttribute("group", `${groups}`, "an integer from 1 on");
  const rank = x.shape.length;
  if (rank < 3 || weight.shape.length !== rank || [...x.shape, ...weight.shape].includes(0))
    wrongWeight(node, x, weight, groups);
  if (rank > 5) {
    const reason = `its images have ${rank - 2} dimensions, and it is computed in one, two and three`;
    node.refuse(reason, "write it as a sum of convolutions in three dimensions");
  }
  return { x, weight, groups, sizes: x.shape.slice(2), taps: weight.shape.slice(2) };
}

function wrongWeight(node: NodeContext, x: Value, weight: Known, groups: number): never {
  const split = groups === 1 ? "" : ` in ${groups} groups`;
  return node.wrong(`a weight ${shapeWords(weight.shape)} does not fit images ${shapeWords(x.shape)}${split}`);
}

function biasOf(node: NodeContext, outputs: number): Known | undefined {
  const bias = node.optionalKnown(2, "the bias");
  if (bias === undefined || (bias.shape.length === 1 && bias.shape[0] === outputs)) return bias;
  return node.wrong(`the bias has the shape ${shapeWords(bias.shape)}, needed is [${outputs}]`);
}

/**
 * A convolution as a layer on one image of two dimensions: a line is an image of height 1, depths are channels of their own,
 * and the images of a batch are groups, so that all are computed at once.
 */
function imageLayer(
  node: NodeContext,
  given: {
    readonly x: Value;
    readonly weight: Known;
    readonly bias: Known | undefined;
    readonly groups: number;
    readonly windows: readonly Omit<AxisWindow, "reach">[];
    readonly transposed?: boolean;
  },
) {
  const { x, bias, groups } = given;
  const batch = x.shape[0]!;
  const [depths, height, width] = threeOf(x.shape.slice(2), 1);
  const [deep, down, across] = threeOf(given.windows, unitWindow(1));
  const [rows, columns, ...taps] = given.weight.shape as [number, number, ...number[]];
  const full = node.view(given.weight, [rows, columns, ...threeOf(taps, 1)]) as Known;
  const pairs = given.transposed ? ([depths, deep.count] as const) : ([deep.count, depths] as const);
  // Images of two dimensions take the weight as it is: two layers may share it.
  const weight = taps.length === 2 ? given.weight : depthAsChannels(node, full, deep, pairs);
  const perBatch = [weight, ...(bias === undefined ? [] : [eachRepeated(bias, deep.count)])];
  for (const { shape } of perBatch) node.limited([batch, ...shape]);
  return {
    operands: [
      node.view(x, [elementCount(x.shape.slice(0, 2)) * depths, height, width]),
      ...perBatch.map((value) => tiled(value, batch)),
    ],
    attrs: {
      stride: [down.stride, across.stride],
      dilation: [down.dilation, across.dilation],
      pad: [down.begin, across.begin, down.end, across.end],
      groups: groups * batch,
    },
  } as const;
}

/** The last three of `[first, first, ...list]`. */
function threeOf<T>(list: readonly T[], first: T): readonly [T, T, T] {
  return [first, first, ...list].slice(-3) as [T, T, T];
}
