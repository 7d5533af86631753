import { invariant } from "../src/base/diagnostic.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../src/ir/graph.ts";
import { type Draft, removeDead } from "../src/ir/rewrite.ts";
import type { KeyChoice } from "../src/packing/key-budget.ts";
import { normalStep } from "../src/packing/layer-plan.ts";
import type { StepTree } from "../src/packing/step-trees.ts";
import { type Gathering, type Rotations, slotsOf, targetsKey } from "./rotation-groups.ts";

/** By step, the step it is reached from by one rotation; 0 is the root. */
type Parents = ReadonlyMap<number, number>;

/** Writes a program anew so that it rotates only by the steps of a choice that was made for its rotations. */
export function composeRotations(graph: Graph, rotations: Rotations, choice: KeyChoice): Graph {
  return removeDead(new Composition(graph, rotations, choice).build());
}

class Composition {
  readonly #graph: Graph;
  readonly #rotations: Rotations;
  readonly #slots: number;
  /** By the steps they reach. */
  readonly #trees: ReadonlyMap<string, StepTree>;
  readonly #out: GraphBuilder;
  readonly #ids = new Map<NodeId, NodeId>();
  /** By base: how its rotations come one from another, and those that are made. */
  readonly #fans = new Map<NodeId, { readonly parents: Parents; readonly made: Map<number, NodeId> }>();
  /** By root. */
  readonly #sums = new Map<NodeId, Sum>();
  /** By term: the sums it goes into, each with the step it is rotated by there. */
  readonly #goesTo = new Map<NodeId, { readonly sum: Sum; readonly step: number }[]>();

  constructor(graph: Graph, rotations: Rotations, { trees }: KeyChoice) {
    this.#graph = graph;
    this.#rotations = rotations;
    this.#slots = slotsOf(graph);
    this.#trees = new Map([...trees].map(([{ targets }, tree]) => [targetsKey(targets), tree]));
    this.#out = new GraphBuilder(graph.name, graph.scheme);
    for (const gathering of rotations.gatherings.values()) {
      const sum = new Sum(gathering, this.parents([...gathering.terms.keys()]), {
        add: (x, y) => this.add({ ...nodeAt(graph, gathering.root), inputs: [x, y] }),
        rotate: (x, step) => this.rotate(gathering.like, x, step),
      });
      this.#sums.set(gathering.root, sum);
      for (const [step, terms] of gathering.terms)
        for (const term of terms) this.#goesTo.set(term, [...(this.#goesTo.get(term) ?? []), { sum, step }]);
    }
  }

  build(): Graph {
    for (const node of this.#graph.nodes) {
      const id = this.written(node);
      if (id === undefined) continue;
      this.#ids.set(node.id, id);
      // At once: what a sum has taken in is free again.
      for (const { sum, step } of this.#goesTo.get(node.id) ?? []) sum.take(step, id);
    }
    for (const { name, node } of this.#graph.outputs) this.#out.output(name, this.#ids.get(node)!);
    return this.#out.build();
  }

  /** The new node for an old one; undefined for one inside a sum or on the way to a rotation. */
  private written(node: Node): NodeId | undefined {
    const { inside, inFan } = this.#rotations;
    if (inside.has(node.id)) return undefined;
    const sum = this.#sums.get(node.id);
    if (sum !== undefined) return sum.total;
    if (node.op !== "he_rotate") return this.add({ ...node, inputs: node.inputs.map((id) => this.#ids.get(id)!) });
    const { base, step } = inFan.get(node.id) ?? {};
    return base === undefined ? undefined : this.rotation(node, base, step!);
  }

  private rotation(like: Node, base: NodeId, step: number): NodeId {
    const fan = this.#fans.get(base) ?? {
      parents: this.parents(this.#rotations.fans.get(base)!.targets),
      made: new Map([[0, this.#ids.get(base)!]]),
    };
    this.#fans.set(base, fan);
    const to = (wanted: number): NodeId => {
      const known = fan.made.get(wanted);
      if (known !== undefined) return known;
      const from = fan.parents.get(wanted)!;
      const rotated = this.rotate(like, to(from), wanted - from);
      fan.made.set(wanted, rotated);
      return rotated;
    };
    return to(step);
  }

  private parents(steps: readonly number[]): Parents {
    const key = targetsKey(steps);
    if (key === "") return new Map();
    const tree = this.#trees.get(key);
    invariant(tree?.missed === 0, "the chosen keys reach every rotation");
    return new Map(tree.nodes.map((node, i) => [node, tree.parents[i]!]));
  }

  private rotate({ name, span }: Node, x: NodeId, by: number): NodeId {
    const steps = normalStep(by, this.#slots);
    return this.#out.add({ op: "he_rotate", inputs: [x], attrs: { steps }, name, span });
  }

  /** Adds a node like an old one, its type to be inferred again. */
  private add({ op, inputs, attrs, name, span, annotations }: Draft): NodeId {
    return this.#out.add({ op, inputs, attrs, name, span, annotations } as Draft);
  }
}

interface SumWriter {
  add(x: NodeId, y: NodeId): NodeId;
  rotate(x: NodeId, step: number): NodeId;
}

/** A sum of rotated terms as it grows: once all that belongs to a step has come, it is rotated to the step's parent and added there. */
class Sum {
  readonly #parents: Parents;
  readonly #write: SumWriter;
  readonly #sums = new Map<number, NodeId>();
  /** How many terms and rotated sums each step still waits for. */
  readonly #waiting = new Map<number, number>();

  constructor({ terms }: Gathering, parents: Parents, write: SumWriter) {
    [this.#parents, this.#write] = [parents, write];
    const expect = (step: number, more: number) => this.#waiting.set(step, (this.#waiting.get(step) ?? 0) + more);
    for (const [step, list] of terms) expect(step, list.length);
    for (const parent of parents.values()) expect(parent, 1);
  }

  take(step: number, term: NodeId): void {
    const before = this.#sums.get(step);
    const sum = before === undefined ? term : this.#write.add(before, term);
    const waiting = this.#waiting.get(step)! - 1;
    this.#sums.set(step, sum);
    this.#waiting.set(step, waiting);
    const parent = this.#parents.get(step);
    if (waiting === 0 && parent !== undefined) this.take(parent, this.#write.rotate(sum, step - parent));
  }

  get total(): NodeId {
    invariant(this.#waiting.get(0) === 0, "a sum has all its terms");
    return this.#sums.get(0)!;
  }
}
