import { isProblem } from "../src/base/diagnostic.ts";
import { limits } from "../src/base/limits.ts";
import type { Span } from "../src/base/span.ts";
import type { Tensor } from "../src/base/tensor.ts";
import type { NodeDraft } from "../src/ir/builder.ts";
import type { Annotation, NodeId } from "../src/ir/graph.ts";
import { inferType } from "../src/ir/infer.ts";
import type { Attr, AttrValue } from "../src/ops/attributes.ts";
import { type AnyOp, type OpName, opNamed } from "../src/ops/index.ts";
import type { InputSpec } from "../src/ops/op.ts";
import { printType, shapeOf } from "../src/ops/value-type.ts";
import { bindArguments } from "./arguments.ts";
import type { Call, Expression } from "./ast.ts";
import { evaluate } from "./evaluate.ts";
import { type Env, type Expansion, innerSlot, type Slot, spanIn, TooLarge } from "./expansion.ts";
import { settledType } from "./types.ts";
import { describe, describeData, inexactInteger, tensorOf, type Value, withNumbers } from "./values.ts";

/** An attribute as the text gives it. */
export interface Given {
  readonly value: AttrValue;
  readonly span: Span;
}

/** Carries out a call of an op: binds its arguments, makes nodes of its operands, reads its attributes, adds the node. */
export function callOp(x: Expansion, name: string, call: Call, env: Env, slot: Slot, span: Span): Value | undefined {
  const op = opNamed(name)!;
  const variadic = op.inputs.at(-1)?.variadic === true;
  const attributes = Object.keys(op.attrs).map((key) => ({ name: key, named: variadic }));
  const parameters = [...op.inputs.map((i) => ({ name: i.name, variadic: i.variadic === true })), ...attributes];
  const { bound, complete } = bindArguments(x, name, call.arguments, parameters, env);
  let failed = !complete;
  const inputs: NodeId[] = [];
  let skipped: InputSpec | undefined;
  for (const input of op.inputs) {
    const given = bound.get(input.name);
    if (given === undefined) {
      skipped ??= input;
      if (!input.optional) failed = true;
      if (!input.optional && complete) reportMissing(x, name, input.name, input.doc, span);
      continue;
    }
    if (skipped !== undefined) {
      // Operands count by position, so none may be left out before one that is given.
      if (complete) reportMissing(x, name, skipped.name, skipped.doc, span);
      failed = true;
    }
    for (const { value: e } of given) {
      const value = evaluate(x, e, env, innerSlot(slot, e, input.name));
      const id = value === undefined ? undefined : operandNode(x, value, name, input.name, slot, spanIn(env, e));
      if (id === undefined) failed = true;
      else inputs.push(id);
    }
  }
  const attrs = new Map<string, Given>();
  for (const key of Object.keys(op.attrs)) {
    const e = bound.get(key)?.[0]?.value;
    if (e === undefined) continue;
    const value = attributeValue(x, e, env, name, key, op.attrs[key]!, slot);
    if (value === undefined) failed = true;
    else attrs.set(key, { value, span: spanIn(env, e) });
  }
  const unset = Object.entries(op.attrs).find(
    ([key, attribute]) => !bound.has(key) && attribute.fallback === undefined,
  );
  // Where other arguments were wrong, one of those may have been meant for it.
  if (unset !== undefined && complete) reportMissing(x, name, unset[0], unset[1].allowed, span);
  // Read whatever the operands are: both may hold mistakes.
  const read = readAttributes(x, name, attrs, slot);
  return failed || unset !== undefined || read === undefined
    ? undefined
    : applyOp(x, name as OpName, inputs, read, slot, span, env);
}

function reportMissing(x: Expansion, callee: string, parameter: string, allowed: string, span: Span): void {
  x.report.at("missing-parameter", span, { callee, parameter, allowed });
}

function attributeValue(
  x: Expansion,
  e: Expression,
  env: Env,
  callee: string,
  parameter: string,
  attribute: Attr<unknown>,
  slot: Slot,
): AttrValue | undefined {
  const value = evaluate(x, e, env, innerSlot(slot, e, parameter));
  if (value === undefined) return undefined;
  if (value.kind === "weight") return value.tensor;
  if (value.kind === "data") return value.value;
  const params = { callee, parameter, found: describe(value), allowed: attribute.allowed };
  x.report.at("wrong-argument", spanIn(env, e), params);
  return undefined;
}

/** The node of an operand: that of a value, or a constant for a weight, a number or lists of numbers. */
export function operandNode(
  x: Expansion,
  value: Value,
  callee: string,
  parameter: string,
  slot: Slot,
  span: Span,
): NodeId | undefined {
  if (value.kind === "node") return value.id;
  if (value.kind === "weight") return constant(x, value.tensor, value.name, value.name, span);
  const inexact = inexactInteger(value.value);
  if (inexact !== undefined) {
    x.report.at("number-not-exact", span, { text: `${inexact}`, nearest: `${BigInt(Number(inexact))}` });
    return undefined;
  }
  const tensor = tensorOf(value.value);
  if (tensor === undefined) {
    const allowed = "a value of the network, a weight or numbers";
    x.report.at("wrong-argument", span, { callee, parameter, found: describe(value), allowed });
    return undefined;
  }
  return constant(x, tensor, `${slot.base}.${parameter}`, undefined, span);
}

/** A constant node; a weight has one however often it is used. */
function constant(
  x: Expansion,
  data: Tensor,
  name: string,
  weight: string | undefined,
  span: Span,
): NodeId | undefined {
  const known = weight === undefined ? undefined : x.constants.get(weight);
  if (known !== undefined || x.dry) return known;
  const type = inferType("constant", [], { data }, x.scheme);
  if (isProblem(type)) {
    x.report.problem(type, span);
    return undefined;
  }
  const id = addNode(x, { op: "constant", inputs: [], attrs: { data }, name: x.names.take(name, false), span, type });
  if (weight !== undefined) x.constants.set(weight, id);
  return id;
}

/** Infers the type of a node and adds it under the slot's name. */
export function applyOp(
  x: Expansion,
  name: OpName,
  inputs: readonly NodeId[],
  attrs: object,
  slot: Slot,
  span: Span,
  env: Env,
): Value | undefined {
  const op = opNamed(name)!;
  if (x.dry) return undefined;
  const inferred = inferType(
    name,
    inputs.map((id) => x.builder.node(id)),
    attrs,
    x.scheme,
  );
  if (isProblem(inferred)) {
    // Every HE op misses a scheme that is missing; once is enough.
    const again = inferred.problem === "needs-scheme" && x.lacksScheme;
    if (!again) x.report.problem(inferred, span);
    x.lacksScheme ||= inferred.problem === "needs-scheme";
    return undefined;
  }
  const type =
    slot.type === undefined ? inferred : settledType(slot.type, inferred, name === "constant" || op.family === "he");
  if (type === "mismatch") {
    const params = { name: slot.name, stated: printType(slot.type!), inferred: printType(inferred) };
    x.report.at("type-mismatch", span, params);
    return undefined;
  }
  const annotations = annotationsFor(op, slot, env);
  const node = {
    op: name,
    inputs,
    attrs: attrs as never,
    name: x.names.take(slot.name, slot.own),
    span,
    type,
    annotations,
  };
  return { kind: "node", id: addNode(x, node) };
}

function addNode<K extends OpName>(x: Expansion, draft: NodeDraft<K>): NodeId {
  const id = x.builder.add(draft);
  if (id < limits.nodes) return id;
  x.report.at("expansion-too-large", draft.span, { what: "nodes", limit: limits.nodes });
  throw new TooLarge();
}

/** The attributes of an op in the form it knows, defaults filled in; undefined when one was reported. */
export function readAttributes(
  x: Expansion,
  callee: string,
  given: ReadonlyMap<string, Given>,
  slot: Slot,
): object | undefined {
  const op = opNamed(callee)!;
  const attrs: [string, unknown][] = [];
  let failed = false;
  for (const [key, attribute] of Object.entries(op.attrs)) {
    const raw = given.get(key);
    // A required one that is missing was reported.
    if (raw === undefined) {
      attrs.push([key, attribute.fallback?.value]);
      continue;
    }
    const value = readAttribute(attribute, raw.value, slot);
    if (value !== undefined) attrs.push([key, value]);
    else {
      failed = true;
      reportAttribute(x, callee, key, attribute, raw);
    }
  }
  return failed ? undefined : Object.fromEntries(attrs);
}

/** The value as the attribute takes it: as it is, with numbers for bigints, or as a tensor. */
function readAttribute(attribute: Attr<unknown>, raw: AttrValue, slot: Slot): unknown {
  const exact = attribute.read(raw);
  if (exact !== undefined || inexactInteger(raw) !== undefined) return exact;
  const numbers = attribute.read(withNumbers(raw));
  if (numbers !== undefined) return numbers;
  const tensor = tensorOf(raw, slot.type === undefined ? undefined : shapeOf(slot.type));
  return tensor === undefined ? undefined : attribute.read(tensor);
}

function reportAttribute(
  x: Expansion,
  op: string,
  name: string,
  { allowed }: Attr<unknown>,
  { value, span }: Given,
): void {
  const inexact = inexactInteger(value);
  if (inexact === undefined)
    x.report.at("bad-attribute", span, { op, attribute: name, found: describeData(value), allowed });
  else x.report.at("number-not-exact", span, { text: `${inexact}`, nearest: `${BigInt(Number(inexact))}` });
}

/** The annotations of the named value, and those of the statements around that a layer with a weight takes. */
function annotationsFor(op: AnyOp, slot: Slot, env: Env): Annotation[] {
  const weighted = op.inputs.some((i) => i.name === "weight" && i.takes === "constant");
  const taken: Annotation[] = [];
  for (const wish of [...slot.wishes, ...(weighted ? env.wishes : [])]) {
    wish.hits++;
    // The closest statement decides.
    if (!taken.some((a) => a.name === wish.annotation.name)) taken.push(wish.annotation);
  }
  return taken;
}
