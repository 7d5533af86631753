import { CompilerBug, diagnose, isProblem, type Problem } from "../base/diagnostic.ts";
import type { Span } from "../base/span.ts";
import type { OpName } from "../ops/index.ts";
import type { ValueType } from "../ops/value-type.ts";
import type { Scheme } from "../scheme/parameters.ts";
import type { Annotation, Graph, Node, NodeId, OpAttrs, Output } from "./graph.ts";
import { inferType } from "./infer.ts";

/** What a new node needs said; the builder adds its id, a unique name and, unless given, its inferred type. */
export interface NodeDraft<K extends OpName> {
  readonly op: K;
  readonly inputs: readonly NodeId[];
  readonly attrs: OpAttrs<K>;
  readonly name: string;
  readonly span: Span;
  readonly annotations?: readonly Annotation[];
  /** Needed where the type is a pass's decision: layouts, levels. */
  readonly type?: ValueType;
}

/** Builds a graph in topological order. */
export class GraphBuilder {
  readonly #name: string;
  readonly #scheme: Scheme | undefined;
  readonly #nodes: Node[] = [];
  readonly #outputs: Output[] = [];
  /** Names taken, each with the last number tried behind it. */
  readonly #names = new Map<string, number>();

  constructor(name: string, scheme?: Scheme) {
    this.#name = name;
    this.#scheme = scheme;
  }

  /** Adds a node whose operands are known to fit. A misfit is a bug of the caller. */
  add<K extends OpName>(draft: NodeDraft<K>): NodeId {
    const added = this.tryAdd(draft);
    if (isProblem(added)) throw misfit(draft.name, draft.op, added);
    return added;
  }

  /** Adds a node, or says what is wrong with its operands. */
  tryAdd<K extends OpName>(draft: NodeDraft<K>): NodeId | Problem {
    const { op, attrs, span, annotations = [] } = draft;
    const type =
      draft.type ??
      inferType(
        op,
        draft.inputs.map((id) => this.node(id)),
        attrs,
        this.#scheme,
      );
    if (isProblem(type)) return type;
    const id = this.#nodes.length as NodeId;
    const node = { id, op, inputs: draft.inputs, attrs, type, name: this.uniqueName(draft.name), span, annotations };
    this.#nodes.push(node as unknown as Node);
    return id;
  }

  node(id: NodeId): Node {
    return this.#nodes[id]!;
  }

  output(name: string, node: NodeId): void {
    this.#outputs.push({ name, node });
  }

  build(): Graph {
    const scheme = this.#scheme === undefined ? {} : { scheme: this.#scheme };
    return { name: this.#name, nodes: this.#nodes, outputs: this.#outputs, ...scheme };
  }

  /** `name`, or `name_1`, `name_2`, ... when it is taken. */
  private uniqueName(wanted: string): string {
    let name = wanted;
    while (this.#names.has(name)) {
      const next = this.#names.get(wanted)! + 1;
      this.#names.set(wanted, next);
      name = `${wanted}_${next}`;
    }
    this.#names.set(name, 0);
    return name;
  }
}

function misfit(name: string, op: string, found: Problem): CompilerBug {
  return new CompilerBug(
    `'${name}' = ${op}(...): ${diagnose(found.problem, "nowhere", found.params as never).message}`,
  );
}
