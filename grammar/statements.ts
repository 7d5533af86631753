import { isProblem } from "../src/base/diagnostic.ts";
import type { AttrValue } from "../src/ops/attributes.ts";
import { opNamed } from "../src/ops/index.ts";
import type { ValueType } from "../src/ops/value-type.ts";
import { printType, sameType, tensorType } from "../src/ops/value-type.ts";
import type {
  AnnotationText,
  Broken,
  Definition,
  Expression,
  InputStatement,
  ListLiteral,
  Name,
  OutputStatement,
  Repeat,
  Statement,
  TypeText,
} from "./ast.ts";
import { declare } from "./blocks.ts";
import { dataOf, evaluate, integerOf, textOf } from "./evaluate.ts";
import { type Env, type Expansion, type Slot, slotNamed, spanIn, step } from "./expansion.ts";
import { exactNumber } from "./literals.ts";
import { applyOp, type Given, operandNode, readAttributes } from "./ops.ts";
import { type Binding, declareGuesses, Scope } from "./scope.ts";
import { readType } from "./types.ts";
import { describe, type Value } from "./values.ts";
import { readWishes } from "./wishes.ts";

const allowedIn: { readonly [place in Scope["kind"]]: readonly Statement["kind"][] } = {
  file: ["network", "graph", "block", "import", "target"],
  unit: ["definition", "input", "output", "block", "repeat", "weights", "scheme"],
  block: ["definition", "block", "repeat", "return"],
  repeat: ["definition", "next", "block", "repeat"],
};

/** Whether a statement may stand where it does; reports it when not. */
export function checkPlace(x: Pick<Expansion, "report">, statement: Statement, env: Env, last: boolean): boolean {
  const { kind } = statement;
  const place = env.scope.kind;
  if (kind === "broken") return true;
  const first = { start: statement.start, end: Math.min(statement.end, statement.start + kind.length) };
  if (kind === "next" && place !== "repeat") {
    const name = statement.name.text;
    x.report.at("next-misplaced", spanIn(env, first), { name, reason: "does not stand in a repeat" });
    return false;
  }
  if (allowedIn[place].includes(kind) && (kind !== "return" || last)) return true;
  const where = kind === "return" && place === "block" ? "the last line of the block" : words(allowedIn[place]);
  const shown = kind === "definition" ? statement.name.text : kind;
  const span = kind === "definition" ? statement.name : first;
  // A network's header that could not be read leaves all its statements outside: one mistake.
  if (place === "file") {
    if (env.scope.incomplete) return false;
    env.scope.incomplete = true;
  }
  x.report.at("misplaced-statement", spanIn(env, span), { statement: shown, allowed: where });
  return false;
}

function words(kinds: readonly string[]): string {
  const shown = kinds.filter((k) => k !== "scheme").map((k) => (k === "definition" ? "name = ..." : k));
  return shown.join(", ");
}

/** What `next` gives names for the next round. */
type NextValues = Map<Binding, Value | undefined>;

/**
 * Carries out the statements of a body. `result` is the slot of what a block returns, `nextValues` takes up what a round
 * of a repeat hands on. Gives the returned value.
 */
export function runStatements(
  x: Expansion,
  body: readonly Statement[],
  env: Env,
  result: Slot = slotNamed("return"),
  nextValues: NextValues = new Map(),
): Value | undefined {
  let returned: Value | undefined;
  for (const [i, s] of body.entries()) {
    step(x, spanIn(env, s));
    if (!checkPlace(x, s, env, i === body.length - 1)) {
      poison(s, env);
      continue;
    }
    switch (s.kind) {
      case "definition":
        define(x, s, env);
        break;
      case "next":
        defineNext(x, s, env, nextValues);
        break;
      case "input":
        input(x, s, env);
        break;
      case "output":
        output(x, s, env);
        break;
      case "return":
        returned = annotated(x, s.annotations, env, result, (inner, slot) =>
          evaluate(x, s.value, inner, slot, spanIn(env, s.value)),
        );
        break;
      case "block":
        declareBlock(x, s, env);
        break;
      case "repeat":
        repeat(x, s, env);
        break;
      case "broken":
        declareBroken(s, env);
        break;
      case "weights":
      case "scheme":
      case "import":
      case "network":
      case "graph":
      case "target":
        // What concerns a whole file or network is read before its statements run.
        break;
    }
  }
  return returned;
}

/** The name of a node a statement makes; the user's own where it is one of the network's values. */
function slotOf(name: Name, env: Env, type?: ValueType): Slot {
  const own = env.scope.kind === "unit";
  return { ...slotNamed(`${env.prefix}${name.text}${env.suffix}`), own, type };
}

function define(x: Expansion, s: Definition, env: Env): void {
  const value = definedValue(x, s, env);
  declare(x, s.name, env, value);
}

function definedValue(x: Expansion, s: Definition, env: Env): Value | undefined {
  const type = s.type === undefined ? undefined : statedType(x, s.type, env);
  const failed = s.type !== undefined && type === undefined;
  const slot = slotOf(s.name, env, type);
  const extent = { start: s.start, end: s.value.end };
  const value = annotated(x, s.annotations, env, slot, (inner, given) =>
    evaluate(x, s.value, inner, given, spanIn(env, extent)),
  );
  if (value !== undefined && type !== undefined) checkAlias(x, s, type, value, env);
  return failed ? undefined : value;
}

/** Checks the type stated for a name that may stand for something made elsewhere. */
function checkAlias(x: Expansion, s: Definition, stated: ValueType, value: Value, env: Env): void {
  const inferred =
    value.kind === "node"
      ? x.builder.node(value.id).type
      : value.kind === "weight"
        ? tensorType(value.tensor.shape)
        : undefined;
  if (inferred !== undefined && sameType(stated, inferred)) return;
  const found = inferred === undefined ? describe(value) : printType(inferred);
  x.report.at("type-mismatch", spanIn(env, s.type!), { name: s.name.text, stated: printType(stated), inferred: found });
}

function defineNext(x: Expansion, s: Definition, env: Env, nextValues: NextValues): void {
  const value = definedValue(x, s, env);
  const name = s.name.text;
  const wrong = (reason: string): void => x.report.at("next-misplaced", spanIn(env, s.name), { name, reason });
  const found = env.scope.value(name, s.name);
  if (found === undefined || !("found" in found)) {
    if (!env.scope.isIncomplete()) wrong("speaks of a name that is not defined before the repeat");
    return;
  }
  const { found: binding } = found;
  if (binding.guessed) return;
  if (binding.scope === env.scope) wrong("speaks of a name that is defined inside the round");
  else if (!sameBody(env.scope, binding.scope)) wrong("speaks of a name from outside the block");
  else if (nextValues.has(binding)) wrong("stands twice in one round");
  else nextValues.set(binding, value);
}

/** Whether only repeats lie between a scope and an outer one. */
function sameBody(scope: Scope, outer: Scope): boolean {
  let at: Scope | undefined = scope;
  while (at !== undefined && at !== outer && at.kind === "repeat") at = at.parent;
  return at === outer;
}

function input(x: Expansion, s: InputStatement, env: Env): void {
  const slot = slotOf(s.name, env);
  const span = spanIn(env, { start: s.start, end: (s.range?.[1] ?? s.type).end });
  const type = statedType(x, s.type, env);
  const range = s.range?.map((e) => dataOf(x, e, env, "an end of the range"));
  const value = annotated(x, s.annotations, env, slot, (inner, given) => {
    if (type === undefined || range?.some((v) => v === undefined)) return undefined;
    if (type.kind !== "tensor") {
      x.report.at("bad-type", spanIn(env, s.type), { found: type.kind, reason: "an input statement takes a shape" });
      return undefined;
    }
    const attrs = new Map<string, Given>([["shape", { value: type.shape, span: spanIn(env, s.type) }]]);
    if (s.range !== undefined) {
      const extent = { start: s.range[0].start, end: s.range[1].end };
      attrs.set("range", { value: range as AttrValue[], span: spanIn(env, extent) });
    }
    const read = readAttributes(x, "input", attrs, given);
    return read === undefined ? undefined : applyOp(x, "input", [], read, given, span, inner);
  });
  declare(x, s.name, env, value);
}

function output(x: Expansion, s: OutputStatement, env: Env): void {
  const span = spanIn(env, s.name);
  const name = s.name.text;
  const before = x.outputs.get(name);
  if (before !== undefined) {
    x.report.at("output-taken", span, { name }, [{ message: "first named here", span: before }]);
  }
  x.outputs.set(name, span);
  // `output logits = h` only names `h` as an output; anything else also makes a value called `logits`.
  const alias = s.value.kind === "reference";
  const slot = alias ? slotNamed(name) : slotOf(s.name, env);
  const value = annotated(x, s.annotations, env, slot, (inner, given) =>
    evaluate(x, s.value, inner, given, spanIn(env, { start: s.start, end: s.value.end })),
  );
  if (!alias) declare(x, s.name, env, value);
  if (value === undefined) return;
  if (value.kind === "data") {
    const allowed = "a value of the network";
    x.report.at("wrong-value", spanIn(env, s.value), { what: `output '${name}'`, found: describe(value), allowed });
    return;
  }
  const id = operandNode(x, value, "output", name, slot, spanIn(env, s.value));
  if (id !== undefined && before === undefined && !x.dry) x.builder.output(name, id);
}

/** Makes a block known. Its name may not be taken by another, nor by an op. */
export function declareBlock(
  x: Pick<Expansion, "report" | "blocks">,
  block: Extract<Statement, { kind: "block" }>,
  env: Env,
): void {
  const name = block.name.text;
  const span = spanIn(env, { start: block.start, end: block.name.end });
  const at = spanIn(env, block.name);
  const own = env.scope.blocks.get(name);
  const outer = env.scope.parent?.block(name, block.name);
  if (own?.block !== undefined)
    x.report.at("name-taken", at, { name }, [{ message: "first defined here", span: own.span }]);
  else if (outer !== undefined && "found" in outer && outer.found.block !== undefined) {
    x.report.at("name-shadowed", at, { name, carry: false }, [{ message: "defined here", span: outer.found.span }]);
  } else if (opNamed(name) !== undefined) x.report.at("name-shadowed", at, { name, carry: false });
  if (own?.block !== undefined) return;
  const binding = { block, scope: env.scope, span };
  env.scope.blocks.set(name, binding);
  x.blocks.push(binding);
}

function repeat(x: Expansion, s: Repeat, env: Env): void {
  const from = integerOf(x, s.from, env, "the start of the repeat", 0);
  const to = integerOf(x, s.to, env, "the end of the repeat", 0);
  const backwards = from !== undefined && to !== undefined && to < from - 1;
  if (backwards) {
    const extent = { start: s.from.start, end: s.to.end };
    x.report.at("bad-repeat", spanIn(env, extent), { from: `${from}`, to: `${to}` });
  }
  const round = (counter: number | undefined): NextValues => {
    const scope = new Scope("repeat", env.scope.file, env.scope, s.body);
    const inside: Env = { ...env, scope, suffix: `${env.suffix}.${counter ?? "i"}` };
    declare(x, s.counter, inside, counter === undefined ? undefined : { kind: "data", value: counter });
    const nextValues: NextValues = new Map();
    runStatements(x, s.body, inside, undefined, nextValues);
    return nextValues;
  };
  if (from !== undefined && to !== undefined && from <= to) {
    step(x, spanIn(env, { start: s.start, end: s.to.end }), (to - from + 1) * Math.max(1, s.body.length));
    for (let i = from; i <= to; i++) {
      for (const [binding, value] of round(i)) if (!x.dry) binding.value = value;
    }
    return;
  }
  // Nothing is known of the rounds, or there are none: the names inside are checked all the same.
  const wasDry = x.dry;
  x.dry = true;
  const unknown = round(undefined);
  x.dry = wasDry;
  if (from === undefined || to === undefined || backwards) for (const [binding] of unknown) binding.value = undefined;
}

/** Runs an expression with the annotations of its statement, and reports those that no layer took. */
function annotated(
  x: Expansion,
  annotations: readonly AnnotationText[],
  env: Env,
  slot: Slot,
  run: (env: Env, slot: Slot) => Value | undefined,
): Value | undefined {
  if (annotations.length === 0) return run(env, slot);
  const { onResult, onWeights } = readWishes(x, annotations, env);
  const inner = { ...env, wishes: [...onWeights, ...env.wishes] };
  const given: Slot = { ...slot, wishes: [...onResult, ...slot.wishes] };
  const value = run(inner, given);
  for (const { annotation, hits, span } of value === undefined ? [] : [...onResult, ...onWeights]) {
    const needs = onResult.some((w) => w.annotation === annotation) ? "a new value" : "a layer with a weight";
    if (hits === 0) x.report.at("annotation-misses", span, { name: annotation.name, needs });
  }
  return value;
}

/** The type a statement states; undefined when it was reported. */
function statedType(x: Expansion, text: TypeText, env: Env): ValueType | undefined {
  const shape = text.shape === undefined ? undefined : dimensions(x, text.shape, env);
  const layout = text.layout === undefined ? undefined : textOf(x, text.layout, env);
  const properties = new Map<string, number>();
  for (const { key, value } of text.properties) {
    const number = value === undefined ? undefined : exactNumber(value);
    if (number === undefined) return undefined;
    properties.set(key.text, number);
  }
  const unknown =
    (text.shape !== undefined && shape === undefined) || (text.layout !== undefined && layout === undefined);
  if (unknown) return undefined;
  const type = readType({ kind: text.kind?.text, shape, layout, properties });
  if (!isProblem(type)) return type;
  x.report.problem(type, spanIn(env, text));
  return undefined;
}

function dimensions(x: Expansion, list: ListLiteral, env: Env): number[] | undefined {
  const sizes = list.items.map((item: Expression) => integerOf(x, item, env, "a dimension", 1));
  return sizes.every((size) => size !== undefined) ? sizes : undefined;
}

/** What a statement in the wrong place would have defined stays unknown, silently. */
function poison(s: Statement, env: Env): void {
  if ("name" in s) declareGuesses([s.name.text], spanIn(env, s), env.scope);
}

/** What a line that could not be read may have defined stays unknown too. */
export function declareBroken(s: Broken, env: Env): void {
  declareGuesses(s.names, spanIn(env, s), env.scope);
  if (s.names.length === 0 || s.keyword === "import") env.scope.incomplete = true;
}
