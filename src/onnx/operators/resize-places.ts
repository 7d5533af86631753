import type { NodeContext } from "../node-context.ts";

/** How one dimension is resized. */
export interface AxisScale {
  readonly axis: number;
  /** Elements of the operand and of the result. */
  readonly from: number;
  readonly to: number;
  /** What the operand is stretched by; `to` need not be this times `from` exactly. */
  readonly scale: number;
}

/** Which element of the operand element `i` of the result repeats; one outside stands for the nearest one inside. */
export type Places = (i: number, scale: AxisScale) => number;

/** The one way before opset 11: the element before a place in between, or behind it where the image shrinks. */
export const olderPlaces: Places = (i, { scale }) => (scale < 1 ? Math.ceil(i / scale) : Math.floor(i / scale));

/** The way that the attributes of a node ask for. */
export function placesOf(node: NodeContext): Places {
  const coordinate = chosen(node, "coordinate_transformation_mode", coordinates, "half_pixel");
  const nearest = chosen(node, "nearest_mode", roundings, "round_prefer_floor");
  return (i, scale) => nearest(coordinate(i, scale));
}

/**
 * Stops where a place depends on the size of the result and factors make that a fraction: ONNX's text takes the size rounded
 * down, its evaluation takes it as it is.
 */
export function checkWholeSizes(node: NodeContext, scales: readonly AxisScale[]): void {
  const mode = node.text("coordinate_transformation_mode", "half_pixel");
  const matters = ({ to }: AxisScale) => mode === "align_corners" || (mode === "pytorch_half_pixel" && to === 1);
  const found = scales.find((axis) => matters(axis) && Math.abs(axis.from * axis.scale - axis.to) > 1e-4);
  if (found === undefined) return;
  node.refuse(
    `${found.from} elements along dimension ${found.axis} times ${found.scale} are no whole number, for which '${mode}' has no one meaning`,
    "resize to sizes instead of by factors",
  );
}

function chosen<T>(node: NodeContext, attribute: string, choices: ReadonlyMap<string, T>, fallback: string): T {
  const name = node.text(attribute, fallback);
  if (name === "tf_crop_and_resize") {
    node.refuse(
      "it resizes a region that need not begin or end at an element",
      "cut the region out with Slice before it",
    );
  }
  return choices.get(name) ?? node.badAttribute(attribute, `'${name}'`, [...choices.keys()].join(", "));
}

const halfPixel: Places = (i, { scale }) => (i + 0.5) / scale - 0.5;

/** Computed step by step as ONNX has it: what lies exactly between two elements must round as it does there. */
const halfPixelSymmetric: Places = (i, { from, to, scale }) => {
  const offset = (from / 2) * (1 - to / (scale * from));
  return offset + (i + 0.5) / scale - 0.5;
};

/** Where element `i` of the result lies in the operand, perhaps between two elements. */
const coordinates: ReadonlyMap<string, Places> = new Map<string, Places>([
  ["asymmetric", (i, { scale }) => i / scale],
  ["half_pixel", halfPixel],
  ["half_pixel_symmetric", halfPixelSymmetric],
  ["pytorch_half_pixel", (i, axis) => (axis.to > 1 ? halfPixel(i, axis) : 0)],
  ["tf_half_pixel_for_nn", (i, { scale }) => (i + 0.5) / scale],
  ["align_corners", (i, { from, to }) => (to > 1 ? (i * (from - 1)) / (to - 1) : 0)],
]);

const roundings: ReadonlyMap<string, (place: number) => number> = new Map([
  ["round_prefer_floor", (place) => Math.ceil(place - 0.5)],
  ["round_prefer_ceil", (place) => Math.floor(place + 0.5)],
  ["floor", Math.floor],
  ["ceil", Math.ceil],
]);
