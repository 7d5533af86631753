import { diagnose, fail, isProblem, type Problem, SealwrightError } from "../base/diagnostic.ts";
import type { Span } from "../base/span.ts";
import { type Shape, sameShape, type Tensor, tensor } from "../base/tensor.ts";
import type { OpAttrs } from "../ir/graph.ts";
import type { NetworkOpName } from "../ops/index.ts";
import { axisOf } from "../ops/shapes.ts";
import { tooLarge } from "./folding.ts";
import { type ElementType, type OnnxAttribute, type OnnxNode, type OnnxTensor, shapeWords } from "./model.ts";
import type { NetworkWriter } from "./network-writer.ts";
import type { AttributeKind, Operator } from "./operator.ts";
import { broadcastIndex, broadcastShape, type Known, known, ofRank, type Value, viewed } from "./value.ts";

/** What the conversion of one node sees: its operands and attributes, and the means to write layers or to refuse. */
export class NodeContext {
  readonly node: OnnxNode;
  /** Version of ONNX's operators that the model asks for. */
  readonly opset: number;
  /** The operands; undefined where an optional one is not given. */
  readonly inputs: readonly (Value | undefined)[];
  readonly #operator: Operator;
  readonly #writer: NetworkWriter;
  readonly #span: Span;

  constructor(given: {
    readonly node: OnnxNode;
    readonly operator: Operator;
    readonly opset: number;
    readonly inputs: readonly (Value | undefined)[];
    readonly writer: NetworkWriter;
    readonly span: Span;
  }) {
    this.node = given.node;
    this.opset = given.opset;
    this.inputs = given.inputs;
    this.#operator = given.operator;
    this.#writer = given.writer;
    this.#span = given.span;
  }

  // ---- operands

  input(at: number): Value {
    return this.inputs[at] ?? this.wrong(`operand ${at} is not given`);
  }

  optional(at: number): Value | undefined {
    return this.inputs[at];
  }

  /** How messages call the operand: its name in the model. */
  operandName(at: number): string {
    return this.node.inputs[at] ?? "";
  }

  /** An operand whose numbers must be known when compiling; `role` says what it is: "the weight". */
  known(at: number, role: string): Known {
    const value = this.input(at);
    return value.known ? value : this.#unknown(at, role);
  }

  optionalKnown(at: number, role: string): Known | undefined {
    const value = this.inputs[at];
    return value === undefined || value.known ? value : this.#unknown(at, role);
  }

  /** The integers in a known operand, such as a list of axes. */
  integers(at: number, role: string): number[] {
    const integers = [...this.known(at, role).tensor.data];
    const other = integers.find((value) => !Number.isInteger(value));
    return other === undefined ? integers : this.wrong(`${role} must be integers, and one is ${other}`);
  }

  /** The one integer in a known operand. */
  integer(at: number, role: string): number {
    const value = this.scalar(at, role);
    return Number.isInteger(value) ? value : this.wrong(`${role} must be an integer, and is ${value}`);
  }

  /** The one number in a known operand. */
  scalar(at: number, role: string): number {
    const { data } = this.known(at, role).tensor;
    return data.length === 1 ? data[0]! : this.wrong(`${role} has ${data.length} elements, needed is 1`);
  }

  #unknown(at: number, operand: string): never {
    const { op: operator } = this.node;
    return fail("onnx-needs-known", this.#span, {
      operator,
      opset: this.#opsetWords,
      operand,
      value: this.operandName(at),
    });
  }

  // ---- attributes

  has(name: string): boolean {
    return this.node.attributes.has(name);
  }

  int(name: string, fallback?: number): number {
    return this.#attribute(name, "int", fallback) as number;
  }

  float(name: string, fallback?: number): number {
    return this.#attribute(name, "float", fallback) as number;
  }

  text(name: string, fallback?: string): string {
    return this.#attribute(name, "string", fallback) as string;
  }

  ints(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#attribute(name, "ints", fallback) as readonly number[];
  }

  floats(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#attribute(name, "floats", fallback) as readonly number[];
  }

  tensor(name: string): OnnxTensor {
    return this.#attribute(name, "tensor", undefined) as OnnxTensor;
  }

  #attribute(name: string, kind: AttributeKind, fallback: unknown): unknown {
    const found = this.node.attributes.get(name);
    if (found === undefined) {
      if (fallback !== undefined) return fallback;
      return this.badAttribute(name, "not given", "a value, it is required");
    }
    if (found.kind !== kind) return this.badAttribute(name, kindWords(found), `${article(kind)} ${kind}`);
    return (found as { readonly value: unknown }).value;
  }

  // ---- results

  /** The result of a network op on operands of exactly these shapes; attributes that are not given have their defaults. */
  apply<K extends NetworkOpName>(op: K, operands: readonly Value[], attrs: Partial<OpAttrs<K>> = {}): Value {
    return this.#sound(this.#writer.apply(op, operands, attrs, this.#origin));
  }

  /** The same for an op on one operand that works element by element. */
  elementwise<K extends NetworkOpName>(op: K, x: Value, attrs: Partial<OpAttrs<K>> = {}): Value {
    return this.#sound(this.#writer.elementwise(op, x, attrs, this.#origin));
  }

  /** The same elements in row-major order under another shape; costs nothing. */
  view<V extends Value>(value: V, shape: Shape): V {
    return viewed(value, shape);
  }

  /** Repeats a value along dimensions of size 1 and new leading ones, by ONNX's broadcasting rule. */
  expanded(value: Value, shape: Shape): Value {
    if (sameShape(value.shape, shape)) return value;
    const common = broadcastShape(value.shape, shape);
    if (common === undefined || !sameShape(common, shape)) {
      this.wrong(`a value of shape ${shapeWords(value.shape)} cannot be repeated to ${shapeWords(shape)}`);
    }
    if (value.known) {
      const at = broadcastIndex(value.shape, shape);
      const { data } = value.tensor;
      return this.number(value.type, shape, (i) => data[at(i)]!);
    }
    const flat = viewed(value, ofRank(value.shape, shape.length));
    return sameShape(flat.shape, shape) ? flat : this.apply("expand", [flat], { shape });
  }

  /**
   * The layer `op` of two operands of any shapes that broadcast. Known operands take part as constants; two known ones are
   * worked out by `of`.
   */
  binary(
    op: "add" | "subtract" | "multiply" | "prelu",
    a: Value,
    b: Value,
    of: (x: number, y: number) => number,
  ): Value {
    const shape = this.commonShape(a, b);
    if (a.known && b.known) return this.numbers(shape, [a, b], ([x, y]) => of(x!, y!));
    if (!a.known && !b.known && sameShape(a.shape, b.shape)) {
      const [left, right] = [this.#writer.shapeBelow(a), this.#writer.shapeBelow(b)];
      // Where both lie under the same other shape, no view is needed; else one is, and the rank stays low.
      const below = left.length <= right.length ? left : right;
      return viewed(this.apply(op, [viewed(a, below), viewed(b, below)]), shape);
    }
    const [left, right] = [a, b].map((value) => (value.known ? value : this.expanded(value, shape)));
    const encrypted = left!.known ? right! : left!;
    const below = encrypted.known ? shape : this.#writer.shapeBelow(encrypted);
    const fitting = (value: Value): Value | undefined =>
      value.known ? strippedTo(value, shape, below) : viewed(value, below);
    const [x, y] = [fitting(left!), fitting(right!)];
    if (x !== undefined && y !== undefined) return viewed(this.apply(op, [x, y]), shape);
    const full = (value: Value) => viewed(value, value.known ? ofRank(value.shape, shape.length) : shape);
    return this.apply(op, [full(left!), full(right!)]);
  }

  commonShape(a: { readonly shape: Shape }, b: { readonly shape: Shape }): Shape {
    return (
      broadcastShape(a.shape, b.shape) ??
      this.wrong(`shapes ${shapeWords(a.shape)} and ${shapeWords(b.shape)} do not broadcast`)
    );
  }

  /** Numbers worked out element by element from known operands, which broadcast to `shape`. */
  numbers(shape: Shape, operands: readonly Known[], of: (values: readonly number[]) => number): Known {
    const at = operands.map((o) => broadcastIndex(o.shape, shape));
    const data = operands.map((o) => o.tensor.data);
    return this.number(operands[0]!.type, shape, (i) => of(data.map((d, k) => d[at[k]!(i)]!)));
  }

  /** A known value with element `i` in row-major order being `of(i)`. */
  number(type: ElementType, shape: Shape, of: (at: number) => number): Known {
    const problem = this.#writer.budget.spend(shape);
    if (problem !== undefined) this.fail(problem);
    const count = shape.reduce((product, size) => product * size, 1);
    const numbers = tensor(
      shape,
      Float64Array.from({ length: count }, (_, i) => of(i)),
    );
    return this.constant(type, numbers);
  }

  /** A known value of these numbers, which were worked out here. */
  constant(type: ElementType, numbers: Tensor): Known {
    return { ...known(type, numbers, this.#origin.name), folded: true };
  }

  /** An axis as 0 .. rank - 1; negative ones count from the last. */
  axis(axis: number, rank: number): number {
    return axisOf(axis, rank) ?? this.wrong(`there is no axis ${axis} in ${rank} dimension(s)`);
  }

  /** Stops where attributes are given that the operator no longer has from this opset on. */
  ended(opset: number, ...attributes: readonly string[]): void {
    const given = attributes.find((name) => this.opset >= opset && this.has(name));
    if (given !== undefined) this.badAttribute(given, "given", `none from opset ${opset} on`);
  }

  /** Stops where a value of this shape would be too large. */
  limited(shape: Shape): void {
    const problem = tooLarge(shape);
    if (problem !== undefined) this.fail(problem);
  }

  // ---- refusals; each ends the conversion of this node

  /** What cannot be done on encrypted values, or is not done here. */
  refuse(reason: string, remedy: string): never {
    const operator = this.#operator.name;
    return fail("onnx-unsupported", this.#span, { operator, opset: this.#opsetWords, reason, remedy });
  }

  /** Operands that break ONNX's own rules. */
  wrong(reason: string): never {
    return fail("onnx-operand", this.#span, { operator: this.#operator.name, reason });
  }

  badAttribute(attribute: string, found: string, allowed: string): never {
    return fail("onnx-attribute", this.#span, { operator: this.#operator.name, attribute, found, allowed });
  }

  fail(problem: Problem): never {
    throw new SealwrightError([diagnose(problem.problem, this.#span, problem.params as never)]);
  }

  #sound(result: Value | Problem): Value {
    return isProblem(result) ? this.fail(result) : result;
  }

  get #origin() {
    // As diagnostics and viewers call it; not every exporter names nodes.
    const { name, outputs } = this.node;
    return { name: name || (outputs.find((output) => output !== "") ?? ""), span: this.#span };
  }

  get #opsetWords(): string {
    return `opset ${this.opset}`;
  }
}

/**
 * A constant for a layer of shape `below`, which is `shape` without some of its leading ones; undefined where it is not, or
 * where the constant is not so.
 */
function strippedTo(value: Known, shape: Shape, below: Shape): Known | undefined {
  const full = ofRank(value.shape, shape.length);
  const dropped = shape.length - below.length;
  if (dropped < 0 || !sameShape(shape, [...shape.slice(0, dropped).fill(1), ...below])) return undefined;
  return viewed(value, full.slice(dropped));
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? "an" : "a";
}

function kindWords(found: OnnxAttribute): string {
  return "value" in found && typeof found.value !== "object"
    ? `the ${found.kind} ${JSON.stringify(found.value)}`
    : `${article(found.kind)} ${found.kind}`;
}
