import { nearest } from "../src/base/nearest.ts";
import type { Argument, Extent } from "./ast.ts";
import { type Env, type Expansion, spanIn } from "./expansion.ts";

/** A parameter of an op, a block or an annotation. */
export interface Parameter {
  readonly name: string;
  /** Takes all arguments without a name from its place on. */
  readonly variadic?: boolean;
  /** Only given by name. */
  readonly named?: boolean;
}

/**
 * Tells which argument goes to which parameter: first those without a name, in order, then by name. Reports what does not fit.
 * `complete` is false when something did not, so that nothing is said to be missing.
 */
export function bindArguments(
  x: Pick<Expansion, "report">,
  callee: string,
  given: readonly Argument[],
  parameters: readonly Parameter[],
  env: Env,
): { readonly bound: ReadonlyMap<string, readonly Argument[]>; readonly complete: boolean } {
  const bound = new Map<string, Argument[]>();
  const byName = new Map(parameters.map((p) => [p.name, p]));
  const positional = parameters.filter((p) => !p.named);
  let complete = true;
  const wrong = (report: () => void) => {
    complete = false;
    report();
  };
  const place = (argument: Argument): Extent => argument.name ?? argument.value;
  let [position, excess, seenNamed] = [0, 0, false];
  for (const argument of given) {
    const at = spanIn(env, place(argument));
    if (argument.name === undefined) {
      if (seenNamed) wrong(() => x.report.at("positional-after-named", at, { callee }));
      const parameter = positional[position];
      if (parameter === undefined) excess++;
      else if (bound.has(parameter.name)) bound.get(parameter.name)!.push(argument);
      else bound.set(parameter.name, [argument]);
      if (parameter?.variadic !== true) position++;
      if (excess === 1) {
        const found = given.filter((a) => a.name === undefined).length;
        const allowed = positional.length;
        wrong(() => x.report.at("too-many-arguments", at, { callee, found, allowed }));
      }
      continue;
    }
    seenNamed = true;
    const name = argument.name.text;
    if (!byName.has(name)) {
      const known = parameters.map((p) => p.name);
      wrong(() =>
        x.report.at("unknown-parameter", at, { callee, parameter: name, meant: nearest(name, known), known }),
      );
    } else if (bound.has(name)) wrong(() => x.report.at("parameter-given-twice", at, { callee, parameter: name }));
    else bound.set(name, [argument]);
  }
  return { bound, complete };
}
