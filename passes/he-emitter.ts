import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Node, NodeId } from "../src/ir/graph.ts";
import { normalStep } from "../src/packing/layer-plan.ts";
import type { Scheme } from "../src/scheme/parameters.ts";

/** The HE ops that operands alone determine. */
export type PlainOp =
  | "he_add"
  | "he_add_plain"
  | "he_conjugate"
  | "he_mod_switch"
  | "he_multiply"
  | "he_multiply_plain"
  | "he_negate"
  | "he_relinearize"
  | "he_rescale"
  | "he_square"
  | "he_subtract";

/** Adds HE nodes for a layer: a node's name is its layer's name, a dot, and what it is. */
export class HeEmitter {
  readonly #out: GraphBuilder;
  readonly #degree: number;

  constructor(out: GraphBuilder, scheme: Scheme) {
    this.#out = out;
    this.#degree = scheme.degree;
  }

  get out(): GraphBuilder {
    return this.#out;
  }

  emit(layer: Node, op: PlainOp, inputs: readonly NodeId[], what: string): NodeId {
    return this.#out.add({ op, inputs, attrs: {}, ...named(layer, what) });
  }

  add(layer: Node, x: NodeId, y: NodeId): NodeId {
    return this.emit(layer, "he_add", [x, y], "sum");
  }

  /** The operand itself when nothing is to be rotated. */
  rotate(layer: Node, x: NodeId, step: number, what: string): NodeId {
    const steps = normalStep(step, this.#degree / 2);
    return steps === 0 ? x : this.#out.add({ op: "he_rotate", inputs: [x], attrs: { steps }, ...named(layer, what) });
  }

  /** Times `X^exponent`; negative exponents are taken modulo 2N. */
  monomial(layer: Node, x: NodeId, exponent: number, what: string): NodeId {
    const attrs = { exponent: (exponent + 2 * this.#degree) % (2 * this.#degree) };
    return this.#out.add({ op: "he_multiply_monomial", inputs: [x], attrs, ...named(layer, what) });
  }

  /** Times `X^(N/2)`, which is `i (-1)^j` in slot `j`. */
  turned(layer: Node, x: NodeId, what: string): NodeId {
    return this.monomial(layer, x, this.#degree / 2, what);
  }

  /** The inverse of `turned`. */
  turnedBack(layer: Node, x: NodeId, what: string): NodeId {
    return this.monomial(layer, x, -this.#degree / 2, what);
  }

  constant(layer: Node, value: number, level: number, scale: number): NodeId {
    const attrs = { value, level, scale };
    return this.#out.add({ op: "he_encode_constant", inputs: [], attrs, ...named(layer, "constant") });
  }

  /** The ciphertext without the primes above a level. */
  atLevel(layer: Node, x: NodeId, level: number): NodeId {
    let at = x;
    while (this.levelOf(at) > level) at = this.emit(layer, "he_mod_switch", [at], "switched");
    return at;
  }

  levelOf(x: NodeId): number {
    const { type } = this.#out.node(x);
    return type.kind === "cipher" ? type.level : 0;
  }
}

export function named(layer: Node, what: string): { readonly name: string; readonly span: Node["span"] } {
  return { name: `${layer.name}.${what}`, span: layer.span };
}
