import * as fc from "fast-check";
import { isProblem } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { elementCount, type Shape, sameShape, type Tensor, tensor } from "../src/base/tensor.ts";
import { GraphBuilder, type NodeDraft } from "../src/ir/builder.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { removeDead } from "../src/ir/rewrite.ts";
import type { AttrSpec } from "../src/ops/attributes.ts";
import { type NetworkOpName, opNamed } from "../src/ops/index.ts";
import type { NetworkOp } from "../src/ops/op.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { allLayers, type LayerName, layerWeights } from "./arbitrary-layers.ts";
import { describe, randomFrom } from "./arbitrary-text.ts";

export { allLayers, type LayerName } from "./arbitrary-layers.ts";
export { describe, distance, layersOf, randomFrom } from "./arbitrary-text.ts";

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

/** One layer before it is known what it meets: choices are read modulo what is possible, so that shrinking keeps making sense. */
interface Step {
  readonly layer: LayerName;
  readonly choices: readonly number[];
}

/**
 * Random networks: convolutions with stride, padding, dilation and groups, dense layers, pools, residual sums, products,
 * joins, several inputs and outputs, values with several users, weights that are all zero, odd sizes.
 */
export function networks(options: NetworkOptions = {}): fc.Arbitrary<RandomNetwork> {
  const { maxLayers = 7, layers = allLayers } = options;
  const layer = fc.oneof(...layers.map((name) => ({ arbitrary: fc.constant(name), weight: layerWeights[name] ?? 1 })));
  const choices = fc.array(fc.nat(1023), { minLength: 14, maxLength: 14 });
  const steps = fc.array(fc.record({ layer, choices }), { minLength: 1, maxLength: maxLayers, size: "max" });
  return fc.tuple(choices, steps).map(([first, rest]) => new Maker(options).make(first, rest));
}

/** The values a layer may read, with their numbers for the inputs that come with the network. */
interface Value {
  readonly id: NodeId;
  readonly shape: Shape;
  readonly value: Tensor;
  readonly depth: number;
}

class Maker {
  readonly #out = new GraphBuilder("random");
  readonly #values: Value[] = [];
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

  make(first: readonly number[], steps: readonly Step[]): RandomNetwork {
    this.begin(first);
    this.input();
    for (const { layer, choices } of steps) {
      this.begin(choices);
      this[layer]();
    }
    this.begin(first);
    const last = this.#values.at(-1)!;
    this.#out.output("result", last.id);
    const others = this.#values.filter((v) => v !== last && (!this.#read.has(v.id) || this.chance(12)));
    for (const [i, other] of others.slice(-2).entries()) this.#out.output(`other${i}`, other.id);
    const graph = removeDead(this.#out.build());
    const result = { graph, inputs: this.#inputs };
    Object.defineProperty(result, fc.toStringMethod, { value: () => describe(graph) });
    return result;
  }

  // Choices. Each reads the next number of the step; 0 is the simplest choice.

  private begin(choices: readonly number[]): void {
    this.#choices = choices;
    this.#at = 0;
  }

  private next(): number {
    const at = this.#at++;
    return this.#choices[at % this.#choices.length]! + (at >= this.#choices.length ? at * 7 : 0);
  }

  /** From `low` to `high`. */
  private between(low: number, high: number): number {
    return low + (this.next() % (high - low + 1));
  }

  private oneOf<T>(list: readonly T[]): T {
    return list[this.next() % list.length]!;
  }

  private chance(oneIn: number): boolean {
    return this.next() % oneIn === oneIn - 1;
  }

  private pair(low: number, high: number): [number, number] {
    return [this.between(low, high), this.between(low, high)];
  }

  private sides(high: number): [number, number, number, number] {
    const all = this.chance(3) ? 0 : this.next();
    return [
      all % (high + 1),
      Math.floor(all / 3) % (high + 1),
      Math.floor(all / 9) % (high + 1),
      Math.floor(all / 27) % (high + 1),
    ];
  }

  /** Numbers in -scale .. scale; now and then all zero, mostly zero, or all alike. */
  private numbers(shape: Shape, scale = 1, low = -scale): Tensor {
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

  private constant(data: Tensor, name: string): NodeId {
    return this.#out.add({ op: "constant", inputs: [], attrs: { data }, name, span: noSpan });
  }

  /** A value to read, mostly the latest. */
  private operand(fits: (v: Value) => boolean = () => true): Value | undefined {
    const fitting = this.#values.filter(fits);
    if (fitting.length === 0) return undefined;
    return this.next() % 4 < 3 ? fitting.at(-1)! : this.oneOf(fitting);
  }

  private image(): Value | undefined {
    return this.operand((v) => v.shape.length === 3);
  }

  /** Adds a layer when it fits: shapes, elements, depth and size of the numbers. */
  private layer(
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
    this.#values.push(made);
    return made;
  }

  // Layers.

  private input(): void {
    if (this.#inputs.size >= 3) return;
    const rank = this.oneOf([3, 1, 3, 2, 3]);
    const side = (low: number) => this.between(low, 9) * this.#sideFactor;
    const sizes = rank === 3 ? [this.between(1, 4), side(3), side(3)] : [side(2), side(2)].slice(0, rank);
    while (elementCount(sizes) > this.#maxElements) sizes[sizes.indexOf(Math.max(...sizes))]!--;
    const range: [number, number] = this.oneOf([
      [-1, 1],
      [0, 1],
      [-2, 0.5],
    ]);
    const id = this.#out.add({ op: "input", inputs: [], attrs: { shape: sizes, range }, name: "x", span: noSpan });
    const value = this.numbers(sizes, range[1], range[0]);
    this.#inputs.set(this.#out.node(id).name, value);
    this.#values.push({ id, shape: sizes, value, depth: 0 });
  }

  private conv2d(): void {
    const x = this.image();
    if (x === undefined) return;
    const channels = x.shape[0]!;
    const groups = this.chance(3) ? this.oneOf(divisors(channels).toReversed()) : 1;
    const outputs = groups * this.between(1, Math.max(1, Math.floor(6 / groups)));
    const kernel = this.chance(4) ? ([1, 1] as const) : this.pair(1, 3);
    const attrs = {
      stride: this.chance(2) ? this.pair(1, 3) : ([1, 1] as const),
      pad: this.sides(2),
      dilation: this.chance(4) ? this.pair(1, 2) : ([1, 1] as const),
      groups,
    };
    const perGroup = channels / groups;
    const weight = this.numbers([outputs, perGroup, ...kernel], 2 / Math.sqrt(perGroup * kernel[0] * kernel[1]));
    this.layer("conv2d", [x, weight, ...this.bias(outputs)], attrs);
  }

  /** A convolution of one value and a convolution or a product of another of the same shape. */
  private sum_of(): void {
    const x = this.image();
    const other = x && this.operand((v) => sameShape(v.shape, x.shape));
    if (x === undefined || other === undefined) return;
    const channels = x.shape[0]!;
    const isProduct = this.chance(3);
    const outputs = isProduct ? channels : this.between(1, 4);
    const stride: readonly [number, number] = isProduct || this.chance(2) ? [1, 1] : [2, 2];
    const conv = (half: number) => ({
      op: "conv2d" as const,
      inputs: 2,
      attrs: { stride, pad: [half, half, half, half] as const, dilation: [1, 1], groups: 1 },
      negated: this.chance(4),
      weight: this.numbers([outputs, channels, 2 * half + 1, 2 * half + 1], 1 / Math.sqrt(channels)),
    });
    const product = { op: "multiply" as const, inputs: 2, attrs: {}, negated: false, weight: this.numbers([channels]) };
    const [{ weight: first, ...left }, { weight: second, ...right }] = [conv(1), isProduct ? product : conv(0)];
    this.layer("sum_of", [x, first, other, second], { layers: [left, right] });
  }

  private bias(outputs: number): Tensor[] {
    return this.chance(3) ? [] : [this.numbers([outputs], 0.5)];
  }

  private dense(): void {
    const x = this.operand();
    if (x === undefined) return;
    const vector = x.shape.length === 1 ? x : this.layer("flatten", [x], {});
    if (vector === undefined) return;
    const outputs = this.between(1, 12);
    const weight = this.numbers([outputs, vector.shape[0]!], 2 / Math.sqrt(vector.shape[0]!));
    this.layer("dense", [vector, weight, ...this.bias(outputs)], {});
  }

  private batch_norm(): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const channels = [x.shape[0]!];
    const statistics = [
      this.numbers(channels, 1.5),
      this.numbers(channels),
      this.numbers(channels),
      this.numbers(channels, 2, 0.5),
    ];
    this.layer("batch_norm", [x, ...statistics], { epsilon: this.oneOf([1e-5, 1e-3, 0.1]) });
  }

  private avg_pool(): void {
    const x = this.image();
    if (x === undefined) return;
    const kernel = this.pair(1, 3);
    const stride = this.chance(2) ? this.pair(1, 3) : ([0, 0] as const);
    this.layer("avg_pool", [x], { kernel, stride, pad: this.sides(1), count_include_pad: this.chance(2) });
  }

  private global_avg_pool(): void {
    const x = this.image();
    if (x !== undefined) this.layer("global_avg_pool", [x], {});
  }

  private mean(): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const mask = this.between(1, 2 ** x.shape.length - 1);
    this.layer("mean", [x], {
      axes: x.shape.flatMap((_, d) => ((mask >> d) & 1 ? [d] : [])),
      keep_dims: this.chance(2),
    });
  }

  private flatten(): void {
    const x = this.operand();
    if (x !== undefined) this.layer("flatten", [x], {});
  }

  private reshape(): void {
    const x = this.operand();
    if (x === undefined) return;
    const size = elementCount(x.shape);
    const first = this.oneOf(divisors(size));
    const second = this.oneOf(divisors(size / first));
    this.layer("reshape", [x], { shape: this.oneOf([[first, second, -1], [first, size / first], [first, -1], [-1]]) });
  }

  private transpose(): void {
    const x = this.operand((v) => v.shape.length >= 2);
    if (x === undefined) return;
    const rest = x.shape.map((_, d) => d);
    const perm = x.shape.map(() => rest.splice(this.next() % rest.length, 1)[0]!);
    this.layer("transpose", [x], { perm });
  }

  private slice(): void {
    const x = this.operand();
    if (x === undefined) return;
    const begin = x.shape.map((size) => (this.chance(2) ? this.between(0, size - 1) : 0));
    const end = x.shape.map((size, d) => (this.chance(2) ? this.between(begin[d]! + 1, size) : size));
    const step = this.chance(3) ? x.shape.map(() => this.between(1, 2)) : [];
    this.layer("slice", [x], { begin, end, step });
  }

  private pad(): void {
    const x = this.operand((v) => v.shape.length >= 2);
    if (x !== undefined) this.layer("pad", [x], { sides: this.sides(2), value: this.oneOf([0, 0, 0, 0.5]) });
  }

  private concat(): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const axis = this.next() % x.shape.length;
    const agree = (v: Value) =>
      v.shape.length === x.shape.length && v.shape.every((size, d) => d === axis || size === x.shape[d]);
    const parts: (Value | Tensor)[] = [x, this.operand(agree)!];
    if (this.chance(3))
      parts.splice(this.next() % 3, 0, this.numbers(x.shape.map((size, d) => (d === axis ? 2 : size))));
    this.layer("concat", parts, { axis: this.chance(3) ? axis - x.shape.length : axis });
  }

  private add(): void {
    this.elementwise("add");
  }

  private subtract(): void {
    this.elementwise("subtract");
  }

  private multiply(): void {
    this.elementwise("multiply");
  }

  private elementwise(op: "add" | "subtract" | "multiply"): void {
    const x = this.operand();
    if (x === undefined) return;
    const alike = this.#values.filter((v) => sameShape(v.shape, x.shape));
    const channel = x.shape.length > 1 ? [[x.shape[0]!], [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]] : [];
    const other = this.chance(2)
      ? this.numbers(this.oneOf<Shape>([[], [1].slice(x.shape.length === 0 ? 1 : 0), x.shape, ...channel]), 1.5)
      : this.oneOf(alike);
    this.layer(op, this.chance(2) ? [other, x] : [x, other], {});
  }

  private negate(): void {
    const x = this.operand();
    if (x !== undefined) this.layer("negate", [x], {});
  }

  private square(): void {
    const x = this.operand();
    if (x !== undefined) this.layer("square", [x], {});
  }

  private polynomial(): void {
    const x = this.operand();
    if (x === undefined) return;
    const degree = this.oneOf([2, 2, 2, 3, 1, 0, 4, 5, 7]);
    const coeffs = [...this.numbers([degree + 1], 1).data].map((c) =>
      this.chance(5) ? 0 : Math.round(c * 1024) / 1024,
    );
    this.layer("polynomial", [x], { coeffs });
  }
}

function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
}
