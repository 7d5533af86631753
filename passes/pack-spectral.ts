import { elementCount, type Shape, sameShape, type Tensor } from "../src/base/tensor.ts";
import { type Graph, type Node, type NodeId, nodeAt, type OpAttrs } from "../src/ir/graph.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { doublings } from "../src/packing/candidates.ts";
import type { SpectralTerm } from "../src/packing/spectral-layouts.ts";
import { type PlannedSpectral, planSpectral } from "../src/packing/spectral-plans.ts";
import type { Layout } from "../src/scheme/layout.ts";
import type { PackCosts } from "./pack-costs.ts";

/** A way to compute convolutions of what a client sends on coefficients, and to return the result so. */
export interface SpectralChoice extends PlannedSpectral {
  /** By input. */
  readonly sent: ReadonlyMap<NodeId, Layout>;
}

/** A summand: a convolution of an input, or an input times a number (undefined). */
interface Part {
  readonly input: NodeId;
  readonly term: SpectralTerm | undefined;
  readonly weight: Tensor | undefined;
}

/**
 * The cheapest such way for a layer whose operands are all free inputs and whose result the client alone reads, undefined where
 * there is none: convolutions of one group, their sums, and sums with a multiple of an input.
 */
export function spectralChoice(
  graph: Graph,
  node: Node,
  slots: number,
  costs: PackCosts,
  isFree: (id: NodeId) => boolean,
  /** Inputs that are added to the result as they are sent. */
  added: number,
): SpectralChoice | undefined {
  const parts = partsOf(graph, node);
  const output = shapeOf(node.type)!;
  const inputs = new Set(parts?.map(({ input }) => input));
  if (parts === undefined || inputs.size < parts.length || !parts.every(({ input }) => isFree(input))) return undefined;
  const [first] = parts;
  if (parts.every(({ term }) => term === undefined)) return undefined;
  const planned = planSpectral({
    slots,
    output,
    terms: parts.map(({ term }) => term),
    added,
    blocks: blocksOf(parts),
    costs: {
      ...costs.linear(node),
      sent: costs.input(nodeAt(graph, first!.input), { ciphertexts: 1, complex: true }),
      returned: costs.output(node),
    },
  });
  return planned && { ...planned, sent: new Map(parts.map(({ input }, i) => [input, planned.from[i]!])) };
}

/** Sizes of blocks of channels, doubling from 1, within which all weights of a layer repeat along diagonals. */
function blocksOf(parts: readonly Part[]): number[] {
  const most = Math.min(...parts.flatMap(({ weight }) => (weight === undefined ? [] : repeatingBlock(weight))));
  return [...doublings(1, most), most];
}

/** The largest such size of a convolution's weight, [O, C, kh, kw]: a power of two. */
export function repeatingBlock(weight: Tensor): number {
  let size = 1;
  while (repeatsAlongDiagonals(weight, 2 * size)) size *= 2;
  return size;
}

function repeatsAlongDiagonals({ shape, data }: Tensor, size: number): boolean {
  const [outputs, inputs, ...kernel] = shape as readonly [number, number, number, number];
  const taps = elementCount(kernel);
  if (outputs % size !== 0 || inputs % size !== 0) return false;
  const next = (inputs + 1) * taps;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      if ((o + 1) % size === 0 || (i + 1) % size === 0) continue;
      const at = (o * inputs + i) * taps;
      for (let k = at; k < at + taps; k++) if (data[k] !== data[k + next]) return false;
    }
  }
  return true;
}

function partsOf(graph: Graph, node: Node): Part[] | undefined {
  const layers =
    node.op === "sum_of" ? node.attrs.layers : [{ op: node.op, attrs: node.attrs, inputs: node.inputs.length }];
  const parts: Part[] = [];
  let first = 0;
  for (const { op, attrs, inputs } of layers) {
    const own = node.inputs.slice(first, first + inputs).map((id) => nodeAt(graph, id));
    first += inputs;
    const part = partOf(op, attrs as object, own, shapeOf(node.type)!);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

function partOf(op: string, attrs: object, [input, weight]: readonly Node[], output: Shape): Part | undefined {
  if (input === undefined || weight?.op !== "constant" || input.op === "constant") return undefined;
  const [shape, weights] = [shapeOf(input.type)!, weight.attrs.data.shape];
  if (op === "multiply")
    return weights.length === 0 && sameShape(shape, output)
      ? { input: input.id, term: undefined, weight: undefined }
      : undefined;
  if (op !== "conv2d") return undefined;
  const { groups, stride, dilation, pad } = attrs as OpAttrs<"conv2d">;
  if (groups !== 1) return undefined;
  const kernel = [weights[2]!, weights[3]!] as const;
  const term = { input: shape, kernel, stride, dilation, pad: [pad[0], pad[1]] } as const;
  return { input: input.id, term, weight: weight.attrs.data };
}
