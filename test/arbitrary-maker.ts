import { isProblem } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { elementCount, type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { GraphBuilder, type NodeDraft } from "../src/ir/builder.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { removeDead } from "../src/ir/rewrite.ts";
import type { AttrSpec } from "../src/ops/attributes.ts";
import { type NetworkOpName, opNamed } from "../src/ops/index.ts";
import type { NetworkOp } from "../src/ops/op.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import type { LayerName } from "./arbitrary-layers.ts";
import { randomFrom } from "./arbitrary-text.ts";

/** A random network with inputs that fit it. */
export interface RandomNetwork {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, Tensor>;
}

export interface NetworkOptions {
  /** Most elements any encrypted value may have. */
  readonly maxElements?: number;
  /** Most levels the network may use, as the ops count them. */
  readonly maxDepth?: number;
  /** Most layers tried; those that do not fit are left out. */
  readonly maxLayers?: number;
  /** Largest magnitude of any value for the inputs that come with the network. */
  readonly maxValue?: number;
  /** Height and width of images and length of lists are so many times larger than usual. */
  readonly sideFactor?: number;
  /** Which layers may occur. */
  readonly layers?: readonly LayerName[];
}

/** The values a layer may read, with their numbers for the inputs that come with the network. */
export interface Value {
  readonly id: NodeId;
  readonly shape: Shape;
  readonly value: Tensor;
  readonly depth: number;
}

/** Builds a random network from numbers that each stand for a choice among what is possible where it is read. */
export class NetworkMaker {
  readonly #out = new GraphBuilder("random");
  protected readonly values: Value[] = [];
  readonly #inputs = new Map<string, Tensor>();
  readonly #read = new Set<NodeId>();
  readonly #maxElements: number;
  readonly #maxDepth: number;
  readonly #maxValue: number;
  readonly #sideFactor: number;
  #choices: readonly number[] = [];
  #at = 0;

  constructor({ maxElements = 96, maxDepth = 4, maxValue = 8, sideFactor = 1 }: NetworkOptions) {
    this.#sideFactor = sideFactor;
    this.#maxElements = maxElements;
    this.#maxDepth = maxDepth;
    this.#maxValue = maxValue;
  }

  // Choices. Each reads the next number of the step; 0 is the simplest choice.

  protected begin(choices: readonly number[]): void {
    this.#choices = choices;
    this.#at = 0;
  }

  protected next(): number {
    const at = this.#at++;
    return this.#choices[at % this.#choices.length]! + (at >= this.#choices.length ? at * 7 : 0);
  }

  /** From `low` to `high`. */
  protected between(low: number, high: number): number {
    return low + (this.next() % (high - low + 1));
  }

  protected oneOf<T>(list: readonly T[]): T {
    return list[this.next() % list.length]!;
  }

  protected chance(oneIn: number): boolean {
    return this.next() % oneIn === oneIn - 1;
  }

  protected pair(low: number, high: number): [number, number] {
    return [this.between(low, high), this.between(low, high)];
  }

  protected sides(high: number): [number, number, number, number] {
    const all = this.chance(3) ? 0 : this.next();
    return [
      all % (high + 1),
      Math.floor(all / 3) % (high + 1),
      Math.floor(all / 9) % (high + 1),
      Math.floor(all / 27) % (high + 1),
    ];
  }

  /** Numbers in -scale .. scale; now and then all zero, mostly zero, or all alike. */
  protected numbers(shape: Shape, scale = 1, low = -scale): Tensor {
    const random = randomFrom(this.next() * 1024 + this.next());
    const kind = this.next() % 12;
    const draw = () => low + random() * (scale - low);
    return tensor(
      shape,
      Array.from({ length: elementCount(shape) }, () => {
        const value = draw();
        if (kind === 11) return 0;
        if (kind === 10) return random() < 0.8 ? 0 : value;
        return kind === 9 ? scale / 2 : value;
      }),
    );
  }

  protected constant(data: Tensor, name: string): NodeId {
    return this.#out.add({ op: "constant", inputs: [], attrs: { data }, name, span: noSpan });
  }

  /** A value to read, mostly the latest. */
  protected operand(fits: (v: Value) => boolean = () => true): Value | undefined {
    const fitting = this.values.filter(fits);
    if (fitting.length === 0) return undefined;
    return this.next() % 4 < 3 ? fitting.at(-1)! : this.oneOf(fitting);
  }

  protected image(): Value | undefined {
    return this.operand((v) => v.shape.length === 3);
  }

  /** Adds a layer when it fits: shapes, elements, depth and size of the numbers. */
  protected layer(
    op: NetworkOpName,
    operands: readonly (Value | Tensor)[],
    attrs: object,
    name: string = op,
  ): Value | undefined {
    const values = operands.map((o) => ("value" in o ? o.value : o));
    const definition = opNamed(op) as NetworkOp<AttrSpec>;
    const shapes = operands.map((o, i) => ({ name: `operand ${i}`, shape: o.shape, constant: !("value" in o) }));
    const shape = definition.shape(shapes, attrs as never);
    if (isProblem(shape) || elementCount(shape) > this.#maxElements) return undefined;
    const depth =
      definition.depth(shapes, attrs as never) + Math.max(...operands.map((o) => ("value" in o ? o.depth : 0)));
    if (depth > this.#maxDepth) return undefined;
    const value = definition.evaluate(values, attrs as never);
    if (value.data.some((v) => Math.abs(v) > this.#maxValue)) return undefined;
    const inputs = operands.map((o, i) => ("value" in o ? o.id : this.constant(o, `${name}.c${i}`)));
    const id = this.#out.add({ op, inputs, attrs, name, span: noSpan } as NodeDraft<NetworkOpName>);
    for (const input of inputs) this.#read.add(input);
    const made = { id, shape: shapeOf(this.#out.node(id).type)!, value, depth };
    this.values.push(made);
    return made;
  }

  protected input(): void {
    if (this.#inputs.size >= 3) return;
    const rank = this.oneOf([3, 1, 3, 2, 3, 4]);
    const side = (low: number) => this.between(low, 9) * this.#sideFactor;
    const channels = [this.between(1, 4), this.between(1, 3)].slice(4 - rank);
    const sizes = rank >= 3 ? [...channels, side(3), side(3)] : [side(2), side(2)].slice(0, rank);
    while (elementCount(sizes) > this.#maxElements) sizes[sizes.indexOf(Math.max(...sizes))]!--;
    const range: [number, number] = this.oneOf([
      [-1, 1],
      [0, 1],
      [-2, 0.5],
    ]);
    const id = this.#out.add({ op: "input", inputs: [], attrs: { shape: sizes, range }, name: "x", span: noSpan });
    const value = this.numbers(sizes, range[1], range[0]);
    this.#inputs.set(this.#out.node(id).name, value);
    this.values.push({ id, shape: sizes, value, depth: 0 });
  }

  protected finish(first: readonly number[]): RandomNetwork {
    this.begin(first);
    const last = this.values.at(-1)!;
    this.#out.output("result", last.id);
    const others = this.values.filter((v) => v !== last && (!this.#read.has(v.id) || this.chance(12)));
    for (const [i, other] of others.slice(-2).entries()) this.#out.output(`other${i}`, other.id);
    return { graph: removeDead(this.#out.build()), inputs: this.#inputs };
  }
}
