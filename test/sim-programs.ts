/** Small HE programs for tests, written by hand through the builder. */

import { isProblem } from "../src/base/diagnostic.ts";
import { Random } from "../src/base/random.ts";
import { noSpan } from "../src/base/span.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import type { LayerConstants } from "../src/plan/layer.ts";
import { type ChainRequest, chooseChain } from "../src/scheme/chain.ts";
import { digit, type Layout, layoutOf, printLayout } from "../src/scheme/layout.ts";
import { canonicalScales, type Scheme } from "../src/scheme/parameters.ts";
import type { SlotVector } from "../src/scheme/slot-vector.ts";

export function chain(request: Partial<ChainRequest> = {}): Scheme {
  const scheme = chooseChain({ degree: 8192, levels: 3, security: 128, ...request });
  if (isProblem(scheme)) throw new Error(JSON.stringify(scheme));
  return scheme;
}

/** `count` elements in the first slots of one ciphertext. */
export function firstSlots(scheme: Scheme, count: number): Layout {
  return layoutOf(scheme.degree / 2, 1, [count], [digit(0, count, 1)]);
}

/** Two elements in each slot of one ciphertext: all real parts, then all imaginary ones. */
export function complexSlots(scheme: Scheme): Layout {
  const slots = scheme.degree / 2;
  return { ...layoutOf(slots, 1, [2 * slots], [digit(0, 2 * slots, 1)]), complex: true };
}

/** Numbers between `low` and `high` that depend only on the seed. */
export function drawnNumbers(count: number, seed: number, [low, high]: readonly [number, number] = [-1, 1]) {
  const random = new Random(seed);
  return Float64Array.from({ length: count }, () => low + (high - low) * random.uniform());
}

/** Weights between -1 and 1, in both parts if complex, that depend only on the piece: what tests use instead of a network's. */
export function testConstants(scheme: Scheme, size = 1, complex = false): LayerConstants {
  const part = (seed: number) => drawnNumbers(scheme.degree / 2, seed, [-size, size]);
  const vector = (seed: number): SlotVector =>
    complex ? { re: part(seed), im: part(seed + 2_000_003) } : { re: part(seed) };
  return {
    weights: (to, giant, from, baby) => vector(((to * 31 + giant) * 31 + from) * 31 + baby + 7),
    bias: (to) => vector(to + 1_000_003),
  };
}

/** Writes an HE program op by op. Node names are `layer.n`. */
export class Program {
  readonly builder: GraphBuilder;
  readonly scheme: Scheme;
  readonly scales: Float64Array;
  layer = "body";

  constructor(scheme: Scheme) {
    this.scheme = scheme;
    this.scales = canonicalScales(scheme);
    this.builder = new GraphBuilder("test", scheme);
  }

  input(
    name: string,
    range: readonly [number, number],
    level = this.scheme.primes.length - 1,
    count = this.scheme.degree / 2,
    layout = firstSlots(this.scheme, count),
  ): NodeId {
    const attrs = { input: name, part: 0, level, shape: [count], range, layout: printLayout(layout) };
    return this.builder.add({ op: "he_input", inputs: [], attrs, name: `${name}.c`, span: noSpan });
  }

  rotate(x: NodeId, steps: number): NodeId {
    return this.builder.add({ op: "he_rotate", inputs: [x], attrs: { steps }, name: `${this.layer}.r`, span: noSpan });
  }

  monomial(x: NodeId, exponent: number): NodeId {
    const attrs = { exponent };
    return this.builder.add({
      op: "he_multiply_monomial",
      inputs: [x],
      attrs,
      name: `${this.layer}.m`,
      span: noSpan,
    });
  }

  unary(
    op: "he_conjugate" | "he_negate" | "he_square" | "he_relinearize" | "he_rescale" | "he_mod_switch",
    x: NodeId,
  ): NodeId {
    return this.builder.add({ op, inputs: [x], attrs: {}, name: `${this.layer}.u`, span: noSpan });
  }

  binary(
    op: "he_add" | "he_subtract" | "he_multiply" | "he_add_plain" | "he_multiply_plain",
    x: NodeId,
    y: NodeId,
  ): NodeId {
    return this.builder.add({ op, inputs: [x, y], attrs: {}, name: `${this.layer}.b`, span: noSpan });
  }

  add(x: NodeId, y: NodeId): NodeId {
    return this.binary("he_add", x, y);
  }

  /** x * y or x * x, relinearized and rescaled. */
  product(x: NodeId, y: NodeId): NodeId {
    const raw = x === y ? this.unary("he_square", x) : this.binary("he_multiply", x, y);
    return this.unary("he_rescale", this.unary("he_relinearize", raw));
  }

  /** A source of weights; each is cut by `encode`. */
  weights(): NodeId {
    const attrs = { layer: this.layer, op: "dense", settings: {}, operands: [], from: [], to: "", plan: {} };
    return this.builder.add({ op: "he_layer", inputs: [], attrs, name: `${this.layer}.w`, span: noSpan });
  }

  encode(weights: NodeId, level: number, giant = 0, baby = 0): NodeId {
    const attrs = { to: 0, giant, from: 0, baby, level, scale: this.scales[level]! };
    return this.builder.add({ op: "he_encode", inputs: [weights], attrs, name: `${this.layer}.p`, span: noSpan });
  }

  bias(weights: NodeId, level: number): NodeId {
    const attrs = { to: 0, level, scale: this.scales[level]! };
    return this.builder.add({ op: "he_encode_bias", inputs: [weights], attrs, name: `${this.layer}.p`, span: noSpan });
  }

  constant(value: number, level: number, scale = this.scales[level]!): NodeId {
    const attrs = { value, level, scale };
    return this.builder.add({ op: "he_encode_constant", inputs: [], attrs, name: `${this.layer}.k`, span: noSpan });
  }

  /** The value times a number, rescaled. */
  times(x: NodeId, value: number): NodeId {
    const { type } = this.builder.node(x);
    if (type.kind !== "cipher") throw new Error("a ciphertext is needed");
    return this.unary("he_rescale", this.binary("he_multiply_plain", x, this.constant(value, type.level)));
  }

  /** Sum of weights times rotations, rescaled, folded, plus a bias: a linear layer as the compiler writes it. */
  linear(layer: string, x: NodeId, babies: number, folds: readonly number[] = []): NodeId {
    this.layer = layer;
    const { type } = this.builder.node(x);
    if (type.kind !== "cipher") throw new Error("a ciphertext is needed");
    const weights = this.weights();
    let sum: NodeId | undefined;
    for (let baby = 0; baby < babies; baby++) {
      const turned = baby === 0 ? x : this.rotate(x, baby);
      const term = this.binary("he_multiply_plain", turned, this.encode(weights, type.level, 0, baby));
      sum = sum === undefined ? term : this.add(sum, term);
    }
    for (const fold of folds) sum = this.add(sum!, this.rotate(sum!, fold));
    return this.binary("he_add_plain", this.unary("he_rescale", sum!), this.bias(weights, type.level - 1));
  }

  output(name: string, x: NodeId, count = this.scheme.degree / 2, layout = firstSlots(this.scheme, count)): NodeId {
    const attrs = { shape: [count], layout: printLayout(layout) };
    const node = this.builder.add({ op: "he_output", inputs: [x], attrs, name: `${name}.out`, span: noSpan });
    this.builder.output(name, node);
    return node;
  }

  build(): Graph {
    return this.builder.build();
  }
}
