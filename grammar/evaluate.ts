import { isProblem } from "../src/base/diagnostic.ts";
import { limits } from "../src/base/limits.ts";
import { nearest } from "../src/base/nearest.ts";
import type { Span } from "../src/base/span.ts";
import type { NodeId } from "../src/ir/graph.ts";
import type { AttrValue } from "../src/ops/attributes.ts";
import { opNamed, ops } from "../src/ops/index.ts";
import { calculate, isInteger, type Operator } from "./arithmetic.ts";
import type { Call, Expression, Product, RecordLiteral, Reference, Sum, TextLiteral, WeightReference } from "./ast.ts";
import { callBlock } from "./blocks.ts";
import {
  type Env,
  type Expansion,
  innerSlot,
  opOf,
  type Slot,
  slotNamed,
  spanIn,
  step,
  TooLarge,
} from "./expansion.ts";
import { applyOp, callOp, operandNode } from "./ops.ts";
import { declareGuesses } from "./scope.ts";
import { data, describe, type Value } from "./values.ts";

/**
 * What an expression stands for; undefined where it, or something it uses, was reported. Nodes it makes are added on the way,
 * the outermost under the slot's name. `span` is where that one counts as written, if not at the expression itself.
 */
export function evaluate(
  x: Expansion,
  e: Expression,
  env: Env,
  slot: Slot,
  span: Span = spanIn(env, e),
): Value | undefined {
  if (++x.depth > limits.expressionDepth) {
    x.report.at("expression-too-deep", span, { limit: limits.expressionDepth });
    throw new TooLarge();
  }
  const value = meaningOf(x, e, env, slot, span);
  x.depth--;
  return value;
}

function meaningOf(x: Expansion, e: Expression, env: Env, slot: Slot, span: Span): Value | undefined {
  switch (e.kind) {
    case "number":
      return e.value === undefined ? undefined : data(e.value);
    case "boolean":
      return data(e.value);
    case "text":
      return textValue(x, e, env);
    case "weight":
      return weightValue(x, e, env);
    case "list": {
      const items = e.items.map((item) => dataOf(x, item, env, "an item of a list"));
      return items.every((i) => i !== undefined) ? data(items) : undefined;
    }
    case "record":
      return recordValue(x, e, env);
    case "reference":
      return lookUp(x, e, env);
    case "call":
      return call(x, e, env, slot, span);
    case "sum":
      return sum(x, e, env, slot, span);
    case "product":
      return product(x, e, env, slot, span);
    case "negation": {
      const operand = evaluate(x, e.operand, env, innerSlot(slot, e.operand, "operand"));
      if (operand === undefined) return undefined;
      if (operand.kind === "data" && (typeof operand.value === "number" || typeof operand.value === "bigint")) {
        return data(-operand.value);
      }
      if (operand.kind === "data") {
        x.report.at("wrong-operand", spanIn(env, e.operand), { operator: "-", found: describe(operand) });
        return undefined;
      }
      const id = operandNode(x, operand, "negate", "input", slot, spanIn(env, e.operand));
      return id === undefined ? undefined : applyOp(x, "negate", [id], {}, slot, span, env);
    }
  }
}

/** A value that must be a number, text, list or the like; undefined (after a report) when it is not. */
export function dataOf(x: Expansion, e: Expression, env: Env, what: string): AttrValue | undefined {
  const value = evaluate(x, e, env, slotNamed(`${env.prefix}value`));
  if (value === undefined || value.kind === "data") return value?.value;
  x.report.at("wrong-value", spanIn(env, e), { what, found: describe(value), allowed: "a number, a text or a list" });
  return undefined;
}

/** An integer between bounds, for dimensions and counters; undefined (after a report) when it is something else. */
export function integerOf(x: Expansion, e: Expression, env: Env, what: string, least: number): number | undefined {
  const value = evaluate(x, e, env, slotNamed(`${env.prefix}value`));
  if (value === undefined) return undefined;
  const number = value.kind === "data" ? value.value : undefined;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= least) return number;
  const allowed = `an integer from ${least} to ${Number.MAX_SAFE_INTEGER}`;
  x.report.at("wrong-value", spanIn(env, e), { what, found: describe(value), allowed });
  return undefined;
}

/** A text with what stands in braces put in; undefined when that failed. */
export function textOf(x: Expansion, e: TextLiteral, env: Env): string | undefined {
  let text = "";
  let failed = false;
  for (const part of e.parts) {
    if (part === undefined) failed = true;
    else if (typeof part === "string") text += part;
    else {
      const value = evaluate(x, part, env, slotNamed(`${env.prefix}value`));
      const inside = value?.kind === "data" ? value.value : undefined;
      if (typeof inside === "string" || (inside !== undefined && isInteger(inside))) text += inside;
      else {
        failed = true;
        if (value !== undefined) x.report.at("bad-interpolation", spanIn(env, part), { found: describe(value) });
      }
    }
  }
  return failed ? undefined : text;
}

function textValue(x: Expansion, e: TextLiteral, env: Env): Value | undefined {
  const text = textOf(x, e, env);
  return text === undefined ? undefined : data(text);
}

function weightValue(x: Expansion, e: WeightReference, env: Env): Value | undefined {
  const name = textOf(x, e.name, env);
  const weights = name === undefined ? undefined : x.weights(spanIn(env, e), name);
  if (name === undefined || weights === undefined) return undefined;
  const tensor = weights.find(name);
  if (!isProblem(tensor)) return { kind: "weight", name, tensor };
  x.report.problem(tensor, spanIn(env, e));
  return undefined;
}

function recordValue(x: Expansion, e: RecordLiteral, env: Env): Value | undefined {
  const entries = new Map<string, AttrValue>();
  let failed = false;
  for (const { key, value } of e.entries) {
    const item = dataOf(x, value, env, `'${key.text}'`);
    if (entries.has(key.text)) {
      x.report.at("parameter-given-twice", spanIn(env, key), { callee: "{ }", parameter: key.text });
      failed = true;
    } else if (item === undefined) failed = true;
    else entries.set(key.text, item);
  }
  // fromEntries defines keys, so that one called __proto__ is a key like any other.
  return failed ? undefined : data(Object.fromEntries(entries));
}

const notNumbers = new Set(["nan", "inf", "infinity"]);

function lookUp(x: Expansion, e: Reference, env: Env): Value | undefined {
  const found = env.scope.value(e.text, e);
  if (found !== undefined && "found" in found) return found.found.value;
  const span = spanIn(env, e);
  if (found !== undefined) {
    x.report.at("used-before-definition", span, { name: e.text }, [{ message: "defined here", span: found.later }]);
    declareGuesses([e.text], span, env.scope.body());
  } else if (notNumbers.has(e.text.toLowerCase())) x.report.at("not-a-number", span, { word: e.text });
  else if (!env.scope.isIncomplete()) {
    x.report.at("unknown-name", span, { name: e.text, meant: nearest(e.text, env.scope.valueNames()) });
    // However often it is used, it is missing once.
    declareGuesses([e.text], span, env.scope.body());
  }
  return undefined;
}

function call(x: Expansion, e: Call, env: Env, slot: Slot, span: Span): Value | undefined {
  step(x, span);
  const name = e.callee.text;
  const block = env.scope.block(name, e);
  if (block !== undefined && "found" in block) return callBlock(x, block.found, e, env, slot);
  if (opNamed(name) !== undefined) return callOp(x, name, e, env, slot, span);
  const at = spanIn(env, e.callee);
  if (block !== undefined) {
    x.report.at("used-before-definition", at, { name }, [{ message: "defined here", span: block.later }]);
  } else if (!env.scope.isIncomplete()) {
    x.report.at("unknown-op", at, { name, meant: nearest(name, [...env.scope.blockNames(), ...Object.keys(ops)]) });
    declareGuesses([name], at, env.scope.body());
  }
  // The arguments may hold mistakes of their own.
  for (const argument of e.arguments) evaluate(x, argument.value, env, innerSlot(slot, argument.value, "argument"));
  return undefined;
}

function sum(x: Expansion, e: Sum, env: Env, slot: Slot, span: Span): Value | undefined {
  const terms = [{ operator: "+" as Operator, operand: e.first }, ...e.rest];
  return chain(x, terms, env, slot, span);
}

function product(x: Expansion, e: Product, env: Env, slot: Slot, span: Span): Value | undefined {
  return chain(
    x,
    e.factors.map((operand) => ({ operator: "*" as Operator, operand })),
    env,
    slot,
    span,
  );
}

/** Applies operators from the left: exact arithmetic while both sides are integers, else the op of the same meaning. */
function chain(
  x: Expansion,
  terms: readonly { readonly operator: Operator; readonly operand: Expression }[],
  env: Env,
  slot: Slot,
  span: Span,
): Value | undefined {
  const values = terms.map((t) => evaluate(x, t.operand, env, innerSlot(slot, t.operand, "operand")));
  let result = values[0];
  for (const [i, { operator, operand }] of terms.entries()) {
    const right = values[i];
    if (i === 0) continue;
    if (result === undefined || right === undefined) return undefined;
    const last = i === terms.length - 1;
    const at = last ? span : spanIn(env, { start: terms[0]!.operand.start, end: operand.end });
    const target = last ? slot : slotNamed(`${slot.base}.${opOf[operator]}`, slot.base);
    result = combine(x, operator, result, right, env, target, at, spanIn(env, operand));
  }
  return result;
}

function combine(
  x: Expansion,
  operator: Operator,
  left: Value,
  right: Value,
  env: Env,
  slot: Slot,
  span: Span,
  rightSpan: Span,
): Value | undefined {
  if (left.kind === "data" && right.kind === "data") {
    const [a, b] = [left.value, right.value];
    if (isInteger(a) && isInteger(b)) {
      const result = calculate(operator, a, b);
      if (result !== undefined) return data(result);
      const text = `${a} ${operator} ${b}`;
      x.report.at("number-out-of-range", span, { text, allowed: "integers up to 2^64" });
      return undefined;
    }
    x.report.at("wrong-operand", span, { operator, found: describe(isInteger(a) ? right : left) });
    return undefined;
  }
  const ids: NodeId[] = [];
  for (const [value, parameter] of [
    [left, "left"],
    [right, "right"],
  ] as const) {
    const id = operandNode(x, value, opOf[operator], parameter, slot, parameter === "left" ? span : rightSpan);
    if (id !== undefined) ids.push(id);
  }
  return ids.length < 2 ? undefined : applyOp(x, opOf[operator], ids, {}, slot, span, env);
}
