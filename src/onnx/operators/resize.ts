import type { Shape } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Value } from "../value.ts";
import { type AxisPick, picked } from "./picks.ts";
import { type AxisScale, checkWholeSizes, olderPlaces, type Places, placesOf } from "./resize-places.ts";

const resize = defineOperator({
  name: "Resize",
  doc: "Repeated or left out elements (mode nearest), to known sizes or by known factors.",
  encrypted: "yes",
  inputs: [1, 4],
  attributes: {
    antialias: "int",
    axes: "ints",
    coordinate_transformation_mode: "string",
    cubic_coeff_a: "float",
    exclude_outside: "int",
    extrapolation_value: "float",
    keep_aspect_ratio_policy: "string",
    mode: "string",
    nearest_mode: "string",
  },
  convert: (node) => {
    const x = node.input(0);
    if (node.opset < 11) return [resized(node, x, byFactors(x.shape, factorsAt(node, 1, x.shape.length)), olderPlaces)];
    return [resized(node, x, scalesOf(node, x.shape), placesOf(node))];
  },
});

const upsample = defineOperator({
  name: "Upsample",
  doc: "Repeated elements (mode nearest), by known factors.",
  encrypted: "yes",
  inputs: [1, 2],
  attributes: { height_scale: "float", mode: "string", scales: "floats", width_scale: "float" },
  convert: (node) => {
    const x = node.input(0);
    const { shape } = x;
    node.ended(7, "height_scale", "width_scale");
    node.ended(9, "scales");
    const factors =
      node.opset < 7
        ? [...shape.slice(0, -2).map(() => 1), node.float("height_scale"), node.float("width_scale")]
        : node.opset < 9
          ? node.floats("scales")
          : factorsAt(node, 1, shape.length);
    if (factors.length !== shape.length)
      node.wrong(`${factors.length} factors do not resize ${shape.length} dimensions`);
    return [resized(node, x, byFactors(shape, factors), olderPlaces)];
  },
});

export const resizeOperators: readonly Operator[] = [resize, upsample];

function resized(node: NodeContext, x: Value, scales: readonly AxisScale[], places: Places): Value {
  const wrong = scales.find(({ from, to }) => !(Number.isSafeInteger(to) && to >= 0) || (from === 0 && to > 0));
  if (wrong !== undefined) node.wrong(`${wrong.from} elements along dimension ${wrong.axis} cannot become ${wrong.to}`);
  const changed = scales.filter(({ from, to, scale }) => from !== to || scale !== 1);
  if (changed.length === 0) return x;
  const mode = node.text("mode", "nearest");
  if (mode !== "nearest") {
    node.refuse(
      `its mode is '${mode}', and elements in between are not computed`,
      "export the model with the mode 'nearest'",
    );
  }
  if (node.opset >= 11) checkWholeSizes(node, changed);
  const picks = changed.map((scale): readonly [number, AxisPick] => {
    const at = (i: number) => Math.min(Math.max(places(i, scale), 0), scale.from - 1);
    return [scale.axis, { count: scale.to, at }];
  });
  return picked(node, x, new Map(picks));
}

/** Sizes by factors are rounded down; the product is one of 32-bit numbers, as those who infer shapes have it. */
function byFactors(shape: Shape, factors: readonly number[], axes = shape.map((_, d) => d)): readonly AxisScale[] {
  return axes.map((axis, i) => {
    const [from, scale] = [shape[axis]!, factors[i]!];
    return { axis, from, scale, to: Math.floor(Math.fround(from * Math.fround(scale))) };
  });
}

function factorsAt(node: NodeContext, at: number, count: number): readonly number[] {
  const factors = [...node.known(at, "the factors").tensor.data];
  if (factors.length !== count) node.wrong(`${factors.length} factors do not resize ${count} dimensions`);
  const bad = factors.find((factor) => !(factor > 0 && factor < Number.POSITIVE_INFINITY));
  return bad === undefined ? factors : node.wrong(`a factor is ${bad}, allowed are numbers above 0`);
}

/** From opset 11 on either factors or sizes are given, the other operand being empty or missing. */
function scalesOf(node: NodeContext, shape: Shape): readonly AxisScale[] {
  const axes = node
    .ints(
      "axes",
      shape.map((_, d) => d),
    )
    .map((axis) => node.axis(axis, shape.length));
  if (new Set(axes).size < axes.length) node.badAttribute("axes", shapeWords(axes), "each axis once");
  const [hasFactors, hasSizes] = [2, 3].map(
    (at) => node.optional(at) !== undefined && !node.input(at).shape.includes(0),
  );
  if (hasFactors === hasSizes)
    node.wrong(hasFactors ? "both factors and sizes are given" : "neither factors nor sizes are given");
  if (hasFactors) return byFactors(shape, factorsAt(node, 2, axes.length), axes);
  const sizes = node.integers(3, "the sizes");
  if (sizes.length !== axes.length) node.wrong(`${sizes.length} sizes are given for ${axes.length} dimensions`);
  const ratios = sizes.map((size, i) => size / shape[axes[i]!]!);
  const policy = node.text("keep_aspect_ratio_policy", "stretch");
  if (policy === "stretch")
    return axes.map((axis, i) => ({ axis, from: shape[axis]!, to: sizes[i]!, scale: ratios[i]! }));
  if (policy !== "not_larger" && policy !== "not_smaller") {
    node.badAttribute("keep_aspect_ratio_policy", `'${policy}'`, "stretch, not_larger or not_smaller");
  }
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return axes.map((axis) => ({ axis, from: shape[axis]!, to: Math.floor(scale * shape[axis]! + 0.5), scale }));
}
