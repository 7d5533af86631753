import { sameShape } from "../../base/tensor.ts";
import { checkKinds } from "../aligned.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Value } from "../value.ts";
import { integersOf } from "./integers-of.ts";
import { type AxisPick, fromAxis, picked, range } from "./picks.ts";

const slice = defineOperator({
  name: "Slice",
  doc: "Every so many elements between two known places of each dimension, in either direction; free with a step of 1.",
  encrypted: "yes",
  inputs: [1, 5],
  attributes: { axes: "ints", ends: "ints", starts: "ints" },
  convert: (node) => {
    node.ended(10, "axes", "ends", "starts");
    const x = node.input(0);
    const starts = integersOf(node, "starts", 1, "where to begin") ?? node.wrong("it does not say where to begin");
    const ends = integersOf(node, "ends", 2, "where to end") ?? node.wrong("it does not say where to end");
    const axes = integersOf(node, "axes", 3, "the axes") ?? starts.map((_, d) => d);
    const steps = node.optional(4) === undefined ? starts.map(() => 1) : node.integers(4, "the steps");
    if ([ends, axes, steps].some((list) => list.length !== starts.length)) {
      const counts = [starts, ends, axes, steps].map((list) => list.length).join(", ");
      node.wrong(`starts, ends, axes and steps are as many numbers each, given are ${counts}`);
    }
    if (steps.includes(0)) node.wrong("a step is 0");
    const picks = new Map(
      axes.map((given, i): readonly [number, AxisPick] => {
        const axis = node.axis(given, x.shape.length);
        return [axis, sliceOf(x.shape[axis]!, starts[i]!, ends[i]!, steps[i]!)];
      }),
    );
    if (picks.size < axes.length) node.wrong(`the axes ${shapeWords(axes)} name one twice`);
    return [picked(node, x, picks)];
  },
});

/** Places count from the end where they are negative, and those outside stand for the nearest one inside. */
function sliceOf(size: number, start: number, end: number, step: number): AxisPick {
  const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1];
  const inside = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, lowest), highest);
  const begin = inside(start);
  return range(begin, step, Math.max(0, Math.ceil((inside(end) - begin) / step)));
}

const split = defineOperator({
  name: "Split",
  doc: "Parts of known sizes along an axis; free.",
  encrypted: "yes",
  inputs: [1, 2],
  attributes: { axis: "int", num_outputs: "int", split: "ints" },
  convert: (node) => {
    node.ended(13, "split");
    const x = node.input(0);
    const axis = node.axis(node.int("axis", 0), x.shape.length);
    const sizes = partSizes(node, x.shape[axis]!);
    let begin = 0;
    return sizes.map((size) => {
      const part = picked(node, x, new Map([[axis, range(begin, 1, size)]]));
      begin += size;
      return part;
    });
  },
});

function partSizes(node: NodeContext, size: number): readonly number[] {
  const parts = node.node.outputs.length;
  const given = integersOf(node, "split", 1, "the sizes of the parts");
  if (given !== undefined && given.length > 0) {
    const fits = given.length === parts && given.every((part) => part >= 0) && given.reduce((a, b) => a + b) === size;
    return fits ? given : node.wrong(`${size} elements in ${parts} parts are not parts of ${shapeWords(given)}`);
  }
  if (node.has("num_outputs") && node.int("num_outputs") !== parts) {
    node.badAttribute("num_outputs", `${node.int("num_outputs")}`, `${parts}, as many as the node has outputs`);
  }
  const part = Math.ceil(size / parts);
  const last = size - part * (parts - 1);
  // From opset 18 on the last part may be smaller.
  if (last < 0 || (last < part && node.opset < 18)) node.wrong(`${size} elements do not make ${parts} equal parts`);
  return [...new Array<number>(parts - 1).fill(part), last];
}

const concat = defineOperator({
  name: "Concat",
  doc: "Encrypted and known values behind one another along an axis.",
  encrypted: "yes",
  inputs: [1, Number.MAX_SAFE_INTEGER],
  attributes: { axis: "int" },
  convert: (node) => {
    const all = node.inputs.map((_, at) => node.input(at));
    const first = all[0]!;
    checkKinds(node, all);
    const axis = node.axis(node.int("axis", node.opset < 4 ? 1 : undefined), first.shape.length);
    const others = (value: Value) => value.shape.toSpliced(axis, 1);
    const misfit = all.find(
      (value) => value.shape.length !== first.shape.length || !sameShape(others(value), others(first)),
    );
    if (misfit !== undefined) {
      const shapes = `${shapeWords(first.shape)} and ${shapeWords(misfit.shape)}`;
      node.wrong(`values of shapes ${shapes} do not fit behind one another along axis ${axis}`);
    }
    const size = all.reduce((total, value) => total + value.shape[axis]!, 0);
    const shape = first.shape.with(axis, size);
    node.limited(shape);
    if (shape.includes(0)) return [node.number(first.type, shape, () => 0)];
    const parts = all.filter((value) => value.shape[axis] !== 0);
    if (parts.length === 1) return parts;
    const operands = parts.map((value) => node.view(value, fromAxis(value.shape, axis).view));
    return [node.view(node.apply("concat", operands, { axis: axis - fromAxis(shape, axis).first }), shape)];
  },
});

export const selectOperators: readonly Operator[] = [slice, split, concat];
