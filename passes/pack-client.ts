import { elementCount, type Shape } from "../src/base/tensor.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { imageLayout, listLayout, polyphaseImage, powerOfTwoAbove } from "../src/packing/candidates.ts";
import { type ClientLayout, skewedList, windowedImage } from "../src/packing/client-layouts.ts";
import type { Layout } from "../src/scheme/layout.ts";

/** A way to pack a layer that reads a model input: the layouts of both, and the folds between. */
export interface ClientChoice extends ClientLayout {
  readonly to: Layout;
}

/**
 * Ways to pack a layer that is the first and only one to read a model input, together with the input's layout. The client can
 * send any layout, so the result's layout is what the next linear layer would like best.
 */
export function clientChoices(
  graph: Graph,
  users: ReadonlyMap<NodeId, readonly Node[]>,
  node: Node,
  inputShape: Shape,
  slots: number,
  complex: boolean,
): ClientChoice[] {
  const shape = shapeOf(node.type)!;
  const parts = complex ? [true, false] : [false];
  return targets(graph, users, node, shape, slots).flatMap((to) =>
    parts.flatMap((both) =>
      ciphertextCounts.flatMap((count): ClientChoice[] => {
        const chosen = clientLayout(graph, node, inputShape, to, both, count);
        // Inputs too large for so few have been tried already.
        return chosen === undefined || chosen.from.ciphertexts < count ? [] : [{ to, ...chosen }];
      }),
    ),
  );
}

/** Ciphertexts a client may be asked for at least: more of them save rotations and take longer to send. */
const ciphertextCounts = [1, 2, 4];

function clientLayout(
  graph: Graph,
  node: Node,
  input: Shape,
  to: Layout,
  complex: boolean,
  count: number,
): ClientLayout | undefined {
  const shape = shapeOf(node.type)!;
  if (node.op === "dense" && to.ciphertexts === 1) {
    const span = powerOfTwoAbove(elementCount(shape));
    return skewedList(elementCount(input), span, to.slots, complex, count);
  }
  if (node.op !== "conv2d" || node.attrs.groups !== 1) return undefined;
  const { stride, dilation, pad } = node.attrs;
  const [, , kernelY, kernelX] = shapeOf(nodeAt(graph, node.inputs[1]!).type)!;
  const windows = {
    input,
    output: shape,
    kernel: [kernelY!, kernelX!],
    stride,
    dilation,
    pad: [pad[0], pad[1]],
  } as const;
  return windowedImage(windows, to, complex, count);
}

/** Layouts that a layer whose client sends what it likes may give its result. */
function targets(
  graph: Graph,
  users: ReadonlyMap<NodeId, readonly Node[]>,
  node: Node,
  shape: Shape,
  slots: number,
): Layout[] {
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
