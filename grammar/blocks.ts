import type { Span } from "../src/base/span.ts";
import { bindArguments } from "./arguments.ts";
import type { Call, Name } from "./ast.ts";
import { evaluate } from "./evaluate.ts";
import { type Env, type Expansion, innerSlot, type Slot, slotNamed, spanIn } from "./expansion.ts";
import { type BlockBinding, Scope } from "./scope.ts";
import { runStatements } from "./statements.ts";
import type { Value } from "./values.ts";

/** Opens a block at a call: what it makes is named after the slot, and points to the call as well as to the block's text. */
export function callBlock(x: Expansion, binding: BlockBinding, call: Call, env: Env, slot: Slot): Value | undefined {
  const { block } = binding;
  if (block === undefined) return undefined;
  x.called.add(block);
  const callee = block.name.text;
  // A block is known from its first line on, so that its own body can be told that it may not call itself.
  if (binding.span.file === env.scope.file && call.start < block.end) {
    x.report.at("block-calls-itself", spanIn(env, call.callee), { block: callee });
    return undefined;
  }
  const parameters = block.parameters.map((p) => ({ name: p.name.text }));
  const { bound, complete } = bindArguments(x, callee, call.arguments, parameters, env);
  const given = new Map<string, Value | undefined>();
  for (const [name, [argument]] of bound) {
    const e = argument!.value;
    given.set(name, evaluate(x, e, env, innerSlot(slot, e, name)));
  }
  const caller = spanIn(env, call);
  const missing = block.parameters.find((p) => p.fallback === undefined && !bound.has(p.name.text));
  if (missing !== undefined && complete) {
    x.report.at("missing-parameter", caller, { callee, parameter: missing.name.text, allowed: "..." });
  }
  if (missing !== undefined || !complete) return undefined;
  return openBlock(
    x,
    binding,
    given,
    { ...env, caller, prefix: `${slot.name}.`, suffix: "" },
    { ...slot, base: slot.name },
  );
}

/** Checks the names and arguments in a block that nobody calls, with nothing known of its parameters. */
export function checkUncalled(x: Expansion, binding: BlockBinding, env: Env): void {
  const { block } = binding;
  if (block === undefined) return;
  const unknown = new Map(block.parameters.map((p) => [p.name.text, undefined]));
  openBlock(x, binding, unknown, env, slotNamed(block.name.text));
}

function openBlock(
  x: Expansion,
  { block, scope: outer }: BlockBinding,
  given: ReadonlyMap<string, Value | undefined>,
  env: Env,
  slot: Slot,
): Value | undefined {
  const scope = new Scope("block", outer.file, outer, block!.body);
  const inside: Env = { ...env, scope };
  for (const { name, fallback } of block!.parameters) {
    const usesDefault = !given.has(name.text) && fallback !== undefined;
    const value = usesDefault
      ? evaluate(x, fallback, inside, innerSlot(slot, fallback, name.text))
      : given.get(name.text);
    declare(x, name, inside, value);
  }
  const result = runStatements(x, block!.body, inside, slot);
  const last = block!.body.at(-1);
  if (last?.kind !== "return" && !block!.body.some((s) => s.kind === "return" || s.kind === "broken")) {
    const { text: name } = block!.name;
    x.report.at(
      "missing-return",
      { file: outer.file, start: block!.name.start, end: block!.name.end },
      { block: name },
    );
  }
  return result;
}

/** Gives a name its value. A name means one thing wherever it can be seen: it may not be defined twice, nor hide another. */
export function declare(x: Expansion, name: Name, env: Env, value: Value | undefined): void {
  const span: Span = spanIn(env, name);
  const { values, parent } = env.scope;
  const own = values.get(name.text);
  if (own !== undefined && !own.guessed) {
    x.report.at("name-taken", span, { name: name.text }, [{ message: "first defined here", span: own.span }]);
    return;
  }
  const outer = parent?.value(name.text, name);
  if (outer !== undefined && "found" in outer && !outer.found.guessed) {
    const carry = env.scope.kind === "repeat" && outer.found.scope === env.scope.body();
    x.report.at("name-shadowed", span, { name: name.text, carry }, [
      { message: "defined here", span: outer.found.span },
    ]);
  }
  values.set(name.text, { value, span, scope: env.scope, guessed: false });
}
