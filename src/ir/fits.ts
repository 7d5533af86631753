import type { AttrValue } from "../ops/attributes.ts";
import { type Annotation, annotationOf, type Graph, type Node, type NodeId, nodeAt } from "./graph.ts";
import type { LayerRange } from "./ranges.ts";

/** An activation that was replaced by a polynomial, and how far that is off. */
export interface LayerFit {
  readonly layer: string;
  /** The op it was. */
  readonly function: string;
  /** Of the polynomial, or of several one after the other together. */
  readonly degree: number;
  /** Where it was fitted. Beyond, the polynomial goes on as it likes. */
  readonly range: readonly [low: number, high: number];
  /** Where the range comes from. */
  readonly origin: LayerRange["origin"];
  /** No value of the range is off by more. */
  readonly maxError: number;
  /** Root mean square of the error over what was observed, or evenly over the range. */
  readonly rmsError: number;
}

/** `@fit("relu", degree = 7, ...)`, which says what stands in a layer's place. */
export function fitAnnotation(fit: Omit<LayerFit, "layer">): Annotation {
  const { function: op, degree, range, origin, maxError, rmsError } = fit;
  return { name: "fit", positional: [op], named: { degree, max: maxError, origin, range, rms: rmsError } };
}

/** The fits of a network between `fit-activations` and `expand-polynomial`, by layer, in order. */
export function fitsOf(graph: Graph): LayerFit[] {
  return graph.nodes.flatMap((node) => {
    const fit = fitAt(node);
    return fit === undefined ? [] : [fit];
  });
}

/** Undefined where a node says nothing of a fit, or what no fit says. */
export function fitAt(node: Node): LayerFit | undefined {
  const annotation = annotationOf(node, "fit");
  if (annotation === undefined) return undefined;
  const { degree, max, origin, range, rms } = annotation.named;
  const [op] = annotation.positional;
  const [low, high] = Array.isArray(range) ? (range as readonly AttrValue[]) : [];
  if (typeof op !== "string" || !isOrigin(origin)) return undefined;
  if (typeof degree !== "number" || typeof max !== "number" || typeof rms !== "number") return undefined;
  if (typeof low !== "number" || typeof high !== "number") return undefined;
  return { layer: node.name, function: op, degree, range: [low, high], origin, maxError: max, rmsError: rms };
}

/** What a fitted activation is given. A composition, and a sum for several slopes (see fit-activations), begin with it times a factor. */
export function operandOfFit(graph: Graph, node: Node): NodeId {
  const first = node.inputs[0]!;
  return node.op === "multiply" || node.op === "add" ? nodeAt(graph, first).inputs[0]! : first;
}

function isOrigin(value: AttrValue | undefined): value is LayerRange["origin"] {
  return value === "data" || value === "stated" || value === "intervals";
}
