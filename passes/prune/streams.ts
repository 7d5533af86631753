import { DisjointSets } from "../../src/base/disjoint-sets.ts";
import { elementCount, sameShape } from "../../src/base/tensor.ts";
import { isEncrypted, shapeAt, sizeAt, useCounts } from "../../src/ir/analysis.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "../../src/ir/graph.ts";
import type { NetworkOpName } from "../../src/ops/index.ts";

/** A constant whose numbers come in equal parts, one for each channel of a stream, along its rows or its columns. */
export interface ChannelAxis {
  readonly constant: string;
  readonly stream: number;
  readonly axis: "rows" | "columns";
}

/** Channels that go through a network together: they can be put in another order everywhere without changing what it computes. */
export interface Stream {
  readonly id: number;
  readonly channels: number;
}

export interface Streams {
  /** Those whose order is free: neither inputs nor outputs, and nothing reads them that knows one channel from another. */
  readonly free: readonly Stream[];
  readonly axes: readonly ChannelAxis[];
}

/** Layers that do the same to each channel, or each number of it. */
const channelwise: ReadonlySet<string> = new Set<NetworkOpName>([
  "abs",
  "avg_pool",
  "celu",
  "clip",
  "elu",
  "erf",
  "exp",
  "flatten",
  "gelu",
  "global_avg_pool",
  "hard_sigmoid",
  "hard_swish",
  "leaky_relu",
  "log",
  "max_pool",
  "mish",
  "negate",
  "polynomial",
  "relu",
  "selu",
  "sigmoid",
  "silu",
  "softplus",
  "softsign",
  "sqrt",
  "square",
  "tanh",
  "thresholded_relu",
]);

/**
 * The channels of the values of a network, and the constants that belong to them. One stream for all that a residual sum joins. What
 * layers in `ordered`, by name, read and make stays in its order: their weights have blocks of channels.
 */
export function streamsOf(graph: Graph, ordered: ReadonlySet<string> = new Set()): Streams {
  return new StreamFinder(graph, ordered).find();
}

class StreamFinder {
  readonly #graph: Graph;
  readonly #ordered: ReadonlySet<string>;
  readonly #uses: ReadonlyMap<NodeId, number>;
  readonly #sets = new DisjointSets();
  /** The stream of each value, and its channels. */
  readonly #of = new Map<NodeId, { readonly member: number; readonly channels: number }>();
  readonly #fixed = new Set<number>();
  readonly #axes: { constant: Node; member: number; axis: "rows" | "columns" }[] = [];

  constructor(graph: Graph, ordered: ReadonlySet<string>) {
    this.#graph = graph;
    this.#ordered = ordered;
    this.#uses = useCounts(graph);
  }

  find(): Streams {
    for (const node of this.#graph.nodes) if (node.op !== "constant") this.#visit(node);
    for (const { node } of this.#graph.outputs) this.#fix(node);
    const fixed = new Set([...this.#fixed].map((member) => this.#sets.find(member)));
    const free = new Map<number, Stream>();
    for (const { member, channels } of this.#of.values()) {
      const id = this.#sets.find(member);
      if (!fixed.has(id) && channels > 1) free.set(id, { id, channels });
    }
    const axes = this.#axes.map(({ constant, member, axis }) => ({
      constant: constant.name,
      stream: this.#sets.find(member),
      axis,
    }));
    return { free: [...free.values()], axes: axes.filter(({ stream }) => free.has(stream)) };
  }

  #visit(node: Node): void {
    const inputs = inputNodes(this.#graph, node);
    const encrypted = inputs.filter(isEncrypted);
    const [x] = encrypted;
    if ((node.op === "conv2d" && node.attrs.groups === 1) || node.op === "dense") {
      const [weight, bias] = inputs.slice(1) as [Node, Node?];
      this.#own(node, shapeAt(weight)[0]!);
      if (this.#ordered.has(node.name)) for (const { id } of [x!, node]) this.#fix(id);
      this.#belongs(weight, x!.id, "columns");
      for (const constant of [weight, bias]) if (constant !== undefined) this.#belongs(constant, node.id, "rows");
    } else if (channelwise.has(node.op) && inputs.length === 1) this.#follow(node, x!.id);
    else if (node.op === "batch_norm") {
      this.#follow(node, x!.id);
      for (const constant of inputs.slice(1)) this.#belongs(constant, node.id, "rows");
    } else if (
      (node.op === "add" || node.op === "subtract" || node.op === "multiply") &&
      this.#isElementwise(node, encrypted)
    ) {
      this.#follow(node, x!.id);
      for (const other of encrypted.slice(1))
        this.#sets.join(this.#of.get(x!.id)!.member, this.#of.get(other.id)!.member);
      for (const constant of inputs.filter((n) => !isEncrypted(n))) this.#spread(constant, node);
    } else {
      for (const { id } of encrypted) this.#fix(id);
      this.#own(node, 1);
      this.#fix(node.id);
    }
  }

  #isElementwise(node: Node, encrypted: readonly Node[]): boolean {
    const channels = encrypted.map(({ id }) => this.#of.get(id)!.channels);
    return encrypted.every((n) => sameShape(shapeAt(n), shapeAt(node))) && new Set(channels).size === 1;
  }

  /** A constant that is added or multiplied: one number for all, some for each channel, or some that all channels share. */
  #spread(constant: Node, node: Node): void {
    const shape = shapeAt(constant);
    if (elementCount(shape) > 1 && shape[0] === shapeAt(node)[0]) this.#belongs(constant, node.id, "rows");
  }

  #belongs(constant: Node, value: NodeId, axis: "rows" | "columns"): void {
    const { member, channels } = this.#of.get(value)!;
    // A constant that others read, too, would have to suit them all; one whose parts are no channels, none.
    const parts = axis === "rows" ? shapeAt(constant)[0]! : sizeAt(constant) / shapeAt(constant)[0]!;
    if (this.#uses.get(constant.id) !== 1 || parts % channels !== 0) this.#fixed.add(member);
    else this.#axes.push({ constant, member, axis });
  }

  #own(node: Node, channels: number): void {
    this.#of.set(node.id, { member: this.#sets.add(1), channels });
  }

  #follow(node: Node, from: NodeId): void {
    this.#of.set(node.id, this.#of.get(from)!);
  }

  #fix(value: NodeId): void {
    this.#fixed.add(this.#of.get(value)!.member);
  }
}
