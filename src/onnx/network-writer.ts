import { fail, isProblem, type Problem, problem } from "../base/diagnostic.ts";
import type { Span } from "../base/span.ts";
import { type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { NodeId, OpAttrs } from "../ir/graph.ts";
import { constantMark } from "../ir/normal-network.ts";
import type { AttrSpec, AttrValue } from "../ops/attributes.ts";
import { type NetworkOpName, ops } from "../ops/index.ts";
import type { NetworkOp } from "../ops/op.ts";
import { shapeOf, tensorType } from "../ops/value-type.ts";
import { FoldingBudget, folded, tooLarge } from "./folding.ts";
import type { ElementType } from "./model.ts";
import { type Encrypted, type Known, known, type Value } from "./value.ts";

/** What a new layer is called and where it comes from. */
export interface Origin {
  readonly name: string;
  readonly span: Span;
}

/**
 * Writes a network layer by layer. What has known operands only is worked out at once and never becomes a layer, so
 * constant parts of a model fold by the same rules that its layers are evaluated by.
 */
export class NetworkWriter {
  readonly builder: GraphBuilder;
  /** Constants and reshaped values that exist already, by what they were made of. */
  readonly #constants = new Map<Tensor, { readonly shape: Shape; readonly id: NodeId }[]>();
  readonly #views = new Map<string, NodeId>();
  /** What is worked out on the way. */
  readonly budget = new FoldingBudget();

  constructor(name: string) {
    this.builder = new GraphBuilder(name);
  }

  /**
   * The result of a network op on operands of exactly these shapes, or what is wrong with them. Attributes that are not
   * given have their defaults. The result has the first operand's element type.
   */
  apply<K extends NetworkOpName>(
    op: K,
    operands: readonly Value[],
    attrs: Partial<OpAttrs<K>>,
    origin: Origin,
  ): Value | Problem {
    const all = { ...defaultsOf(op), ...attrs } as OpAttrs<K>;
    const { type } = operands[0]!;
    const tensors = operands.flatMap((value) => (value.known ? [value.tensor] : []));
    if (tensors.length === operands.length) {
      const result = folded(op, definitionOf(op), tensors, all, this.budget);
      return isProblem(result) ? result : { ...known(type, result, origin.name), folded: true };
    }
    const inputs = operands.map((value) => this.idOf(value, origin.span));
    return this.#added(op, inputs, all, type, origin);
  }

  /** The same for an op on one operand that works element by element, whatever shape the layer below has. */
  elementwise<K extends NetworkOpName>(op: K, x: Value, attrs: Partial<OpAttrs<K>>, origin: Origin): Value | Problem {
    if (x.known) return this.apply(op, [x], attrs, origin);
    const all = { ...defaultsOf(op), ...attrs } as OpAttrs<K>;
    const result = this.#added(op, [x.node], all, x.type, origin);
    return isProblem(result) ? result : { ...result, shape: x.shape };
  }

  /** The layer that holds a value under exactly its shape. `name` is for a new one that only changes the shape. */
  idOf(value: Value, span: Span, name?: string): NodeId {
    return value.known ? this.#constant(value, span) : this.#view(value, span, name);
  }

  /** The shape of the layer a value lies in, which has the same elements under perhaps another shape. */
  shapeBelow(value: Encrypted): Shape {
    return shapeOf(this.builder.node(value.node).type)!;
  }

  #added<K extends NetworkOpName>(
    op: K,
    inputs: readonly NodeId[],
    attrs: OpAttrs<K>,
    type: ElementType,
    { name, span }: Origin,
  ): Encrypted | Problem {
    const wrong = outOfRange(op, attrs);
    if (wrong !== undefined) return wrong;
    const node = this.builder.tryAdd({ op, inputs, attrs, name: layerName(name), span });
    if (isProblem(node)) return node;
    const shape = shapeOf(this.builder.node(node).type)!;
    return tooLarge(shape) ?? { known: false, type, shape, node };
  }

  #constant({ tensor, shape, name, folded }: Known, span: Span): NodeId {
    if (folded) checkFinite(name, tensor, span);
    const kept = this.#constants.get(tensor) ?? [];
    const found = kept.find((k) => sameShape(k.shape, shape));
    if (found !== undefined) return found.id;
    // The type is stated, so that numbers no pass has asked for yet are not converted.
    const type = tensorType(shape);
    const id = this.builder.add({
      op: "constant",
      inputs: [],
      attrs: { data: tensor },
      name: `${constantMark}${layerName(name)}`,
      span,
      type,
    });
    this.#constants.set(tensor, [...kept, { shape, id }]);
    return id;
  }

  #view(value: Encrypted, span: Span, wanted?: string): NodeId {
    const { node, shape } = value;
    if (sameShape(this.shapeBelow(value), shape)) return node;
    const key = `${node} ${shape.join()}`;
    const known = this.#views.get(key);
    if (known !== undefined) return known;
    const below = this.builder.node(node).name;
    const name = wanted === undefined || wanted === below ? `${below}_view` : wanted;
    const id =
      shape.length === 1
        ? this.builder.add({ op: "flatten", inputs: [node], attrs: {}, name, span })
        : this.builder.add({ op: "reshape", inputs: [node], attrs: { shape }, name, span });
    this.#views.set(key, id);
    return id;
  }
}

function definitionOf(op: NetworkOpName): NetworkOp<AttrSpec> {
  return ops[op] as unknown as NetworkOp<AttrSpec>;
}

function defaultsOf(op: NetworkOpName): object {
  const given = Object.entries(definitionOf(op).attrs).flatMap(([key, { fallback }]) =>
    fallback === undefined ? [] : [[key, fallback.value]],
  );
  return Object.fromEntries(given);
}

/** The problem that an attribute is larger than a network can say. */
function outOfRange(op: NetworkOpName, attrs: object): Problem | undefined {
  const given = new Map<string, AttrValue>(Object.entries(attrs));
  for (const [attribute, { read, write, allowed }] of Object.entries(definitionOf(op).attrs)) {
    const value = given.get(attribute)!;
    if (read(write(value)) !== undefined) continue;
    return problem("bad-attribute", { op, attribute, found: JSON.stringify(value).slice(0, 60), allowed });
  }
  return undefined;
}

/** Stops at a number such as 1 / 0 that was worked out: layers take finite ones only. */
function checkFinite(name: string, { data }: Tensor, span: Span): void {
  const index = data.findIndex((v) => !Number.isFinite(v));
  if (index >= 0) fail("onnx-value", span, { name, index, value: `${data[index]}`, allowed: "finite numbers" });
}

/** A name as `.hen` text can write it without quotes: exporters make names such as `/conv1/Conv_output_0`. */
export function layerName(name: string): string {
  const plain = name
    .replace(/^[/:.]+/, "")
    .replace(/[/:]+/g, ".")
    .replace(/[^A-Za-z0-9_.]/g, "_")
    .replace(/\.{2,}|\.$/g, "_")
    .slice(0, 200);
  return /^[A-Za-z_]/.test(plain) ? plain : `v${plain}`;
}
