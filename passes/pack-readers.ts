import { type Graph, type Node, type NodeId, usersOf } from "../src/ir/graph.ts";
import { isView, sourceOf } from "./pack-views.ts";

/** Who reads the values of a network. */
export class Readers {
  readonly of: ReadonlyMap<NodeId, readonly Node[]>;
  readonly #graph: Graph;
  readonly #outputs: ReadonlySet<NodeId>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.of = usersOf(graph);
    this.#outputs = new Set(graph.outputs.map((o) => o.node));
  }

  /** The last node that reads a value; -1 where none does. */
  last(id: NodeId): number {
    return this.of.get(id)!.reduce<number>((last, user) => Math.max(last, user.id), -1);
  }

  /** Whether a value is an output, as it is or under other shapes, and nothing computes with it. */
  isLast(node: Node): boolean {
    const users = this.of.get(node.id)!;
    const isRead = users.length > 0 || this.#outputs.has(node.id);
    return isRead && users.every((user) => isView(user) && this.isLast(user));
  }

  /** Whether one layer alone reads a model input, through views perhaps. */
  isOne(node: Node): boolean {
    const once = this.of.get(node.id)!.length === 1 && !this.#outputs.has(node.id);
    const source = sourceOf(this.#graph, node);
    return once && (source === undefined || this.isOne(source));
  }

  /**
   * How many inputs are added to a value before a client gets it, each sent as suits the sum; undefined where others read it or what
   * is added is not free to be sent so.
   */
  addedTo(node: Node, isFree: (id: NodeId) => boolean): number | undefined {
    if (this.isLast(node)) return 0;
    const [user, ...others] = this.of.get(node.id)!;
    if (user === undefined || others.length > 0 || this.#outputs.has(node.id)) return undefined;
    const isSum = user.op === "add" || user.op === "subtract";
    if (!isSum || !user.inputs.every((id) => id === node.id || isFree(id))) return undefined;
    const further = this.addedTo(user, isFree);
    return further === undefined ? undefined : further + 1;
  }
}
