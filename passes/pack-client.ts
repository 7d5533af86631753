import { elementCount, type Shape, sameShape } from "../src/base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeId, nodeAt, type OpAttrs } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import type { AttrSpec, AttrsOf } from "../src/ops/attributes.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { imageLayout, listLayout, polyphaseImage, powerOfTwoAbove } from "../src/packing/candidates.ts";
import { type ClientLayout, skewedList, windowedImage } from "../src/packing/client-layouts.ts";
import type { Layout } from "../src/scheme/layout.ts";

/** A way to pack a layer that reads model inputs: their layouts, that of the result, and the folds between. */
export interface ClientChoice {
  readonly sent: ReadonlyMap<NodeId, Layout>;
  readonly to: Layout;
  readonly folds: readonly number[];
}

/** Where a layer that a client feeds stands, and what it may ask for. */
export interface ClientRequest {
  readonly graph: Graph;
  readonly users: ReadonlyMap<NodeId, readonly Node[]>;
  readonly node: Node;
  readonly slots: number;
  /** Whether values may be complex. */
  readonly complex: boolean;
  /** Whether a value is a model input that this layer alone reads, and so may choose the layout of. */
  isFree(id: NodeId): boolean;
  /** Whether it may pay to send a value as so many ciphertexts for a result in this layout; asked again for each choice. */
  affords(input: NodeId, sent: Pick<Layout, "ciphertexts" | "complex">, to: Layout): boolean;
}

/**
 * Ways to pack a layer that alone reads some model inputs, together with their layouts, few ciphertexts first. The client can
 * send any layout, so the result's layout is what the next linear layer would like best; of a sum of layers the largest decides,
 * the others send as few ciphertexts as they can, and what is added to the result as it is lies like it.
 */
export function* clientChoices(request: ClientRequest): Generator<ClientChoice> {
  const { graph, node, isFree, affords } = request;
  const shape = shapeOf(node.type)!;
  const [largest, ...others] = fedParts(request);
  if (largest === undefined) return;
  const added = inputNodes(graph, node).filter((n) => isFree(n.id) && sameShape(shapeOf(n.type)!, shape));
  for (const to of targets(request, shape)) {
    for (const complex of request.complex ? [true, false] : [false]) {
      let most = 0;
      for (const ciphertexts of ciphertextCounts(largest, complex)) {
        if (!affords(largest.input, { ciphertexts, complex }, to)) break;
        const chosen = clientLayout(largest, shape, to, complex, ciphertexts);
        if (chosen === undefined || chosen.from.ciphertexts <= most) continue;
        most = chosen.from.ciphertexts;
        const sent = new Map(added.map((n) => [n.id, to]));
        for (const part of others) {
          const layout = fewestCiphertexts(part, shape, to, complex);
          if (layout !== undefined) sent.set(part.input, layout);
        }
        yield { sent: sent.set(largest.input, chosen.from), to, folds: chosen.folds };
      }
    }
  }
}

/** A model input, and the part of a layer that reads it. */
interface FedPart {
  readonly input: NodeId;
  readonly shape: Shape;
  readonly op: "dense" | "conv2d";
  readonly attrs: AttrsOf<AttrSpec>;
  readonly weight: Shape;
}

/** The parts of a layer that read model inputs in windows or as lists, the one of most weights first. */
function fedParts({ graph, node, isFree }: ClientRequest): FedPart[] {
  const layers = node.op === "sum_of" ? node.attrs.layers : [{ ...node, inputs: node.inputs.length }];
  const parts: FedPart[] = [];
  let first = 0;
  for (const { op, attrs, inputs } of layers) {
    const [input, weights] = node.inputs.slice(first, first + inputs).map((id) => nodeAt(graph, id));
    first += inputs;
    if ((op !== "dense" && op !== "conv2d") || weights!.op !== "constant" || !isFree(input!.id)) continue;
    const [shape, weight] = [shapeOf(input!.type)!, shapeOf(weights!.type)!];
    parts.push({ input: input!.id, shape, op, attrs: attrs as AttrsOf<AttrSpec>, weight });
  }
  return parts.sort((a, b) => elementCount(b.weight) - elementCount(a.weight));
}

function fewestCiphertexts(part: FedPart, output: Shape, to: Layout, complex: boolean): Layout | undefined {
  for (const count of ciphertextCounts(part, complex)) {
    const chosen = clientLayout(part, output, to, complex, count);
    if (chosen !== undefined) return chosen.from;
  }
  return undefined;
}

/** Ciphertexts a client can be asked for at most: encrypting more takes longer than any layer. */
const mostCiphertexts = 256;

/**
 * Ciphertexts a client may be asked for at least: more of them save rotations and take longer to send. Taps of a window lie in
 * the parts, copies and channels of each ciphertext, which are powers of two: these counts leave no room unused.
 */
function ciphertextCounts({ op, weight }: FedPart, complex: boolean): number[] {
  if (op === "dense") return [1, 2, 4];
  const perPixel = elementCount(weight.slice(1)) / (complex ? 2 : 1);
  const counts = new Set<number>();
  for (let room = 1; room < 2 * perPixel; room *= 2) counts.add(Math.ceil(perPixel / room));
  return [...counts].filter((count) => count <= mostCiphertexts).reverse();
}

function clientLayout(
  { shape: input, op, attrs, weight }: FedPart,
  output: Shape,
  to: Layout,
  complex: boolean,
  count: number,
): ClientLayout | undefined {
  if (op === "dense") {
    if (to.ciphertexts > 1) return undefined;
    const span = powerOfTwoAbove(elementCount(output));
    return skewedList(elementCount(input), span, to.slots, complex, count);
  }
  const { groups, stride, dilation, pad } = attrs as OpAttrs<"conv2d">;
  if (groups !== 1) return undefined;
  const [, , kernelY, kernelX] = weight;
  const windows = { input, output, kernel: [kernelY!, kernelX!], stride, dilation, pad: [pad[0], pad[1]] } as const;
  return windowedImage(windows, to, complex, count);
}

/** Layouts that a layer whose client sends what it likes may give its result. */
function targets({ graph, users, node, slots }: ClientRequest, shape: Shape): Layout[] {
  const plain = shape.length === 3 ? imageLayout(shape, slots) : listLayout(elementCount(shape), slots);
  if (shape.length !== 3) return [plain];
  const liked = nextLayers(graph, users, node).flatMap((next): Layout[] => {
    const rows = elementCount(shapeOf(next.type)!);
    if (next.op === "dense") {
      const skewed = skewedList(elementCount(shape), powerOfTwoAbove(rows), slots, false);
      return skewed === undefined || skewed.from.ciphertexts > 1 ? [] : [skewed.from];
    }
    if (next.op !== "conv2d" || next.attrs.stride.every((s) => s === 1)) return [];
    const phases = polyphaseImage(shape, next.attrs.stride, slots);
    return phases === undefined ? [] : [phases];
  });
  return [...liked, plain];
}

/** The linear layers that read a value as it is or elementwise changed, in the same order of elements. */
function nextLayers(graph: Graph, users: ReadonlyMap<NodeId, readonly Node[]>, node: Node): Node[] {
  const found = new Set<Node>();
  const size = elementCount(shapeOf(node.type)!);
  const visit = (at: Node): void => {
    for (const user of users.get(at.id)!) {
      const isView = user.op === "flatten" || user.op === "reshape";
      if (isView || elementwise.has(user.op)) visit(user);
      else if (linearLayer(graph, user)?.map.inputSizes.every((s) => s === size)) found.add(user);
    }
  };
  visit(node);
  return [...found];
}

const elementwise: ReadonlySet<string> = new Set(["square", "add", "subtract", "negate", "multiply"]);
