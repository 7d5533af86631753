import { nearest } from "../src/base/nearest.ts";
import type { AttrValue } from "../src/ops/attributes.ts";
import { annotationSpecs } from "./annotations.ts";
import { bindArguments } from "./arguments.ts";
import type { AnnotationText, Expression } from "./ast.ts";
import { dataOf } from "./evaluate.ts";
import { type Env, type Expansion, spanIn, type Wish } from "./expansion.ts";

interface Wishes {
  readonly onResult: readonly Wish[];
  readonly onWeights: readonly Wish[];
}

/**
 * Reads the annotations of one statement. In a flat graph each speaks to the statement's own node, so that a dump says
 * exactly what it says; in a network the table tells.
 */
export function readWishes(x: Expansion, annotations: readonly AnnotationText[], env: Env): Wishes {
  const onResult: Wish[] = [];
  const onWeights: Wish[] = [];
  const seen = new Set<string>();
  for (const text of annotations) {
    const name = text.name.text;
    const spec = annotationSpecs.get(name);
    const span = spanIn(env, text);
    if (spec === undefined) {
      const known = [...annotationSpecs.keys()];
      x.report.at("unknown-annotation", spanIn(env, text.name), { name, meant: nearest(name, known), known });
      continue;
    }
    if (seen.has(name)) {
      x.report.at("annotation-twice", span, { name });
      continue;
    }
    seen.add(name);
    const wish = readWish(x, text, env);
    if (wish !== undefined) (spec.on === "result" || x.flat ? onResult : onWeights).push(wish);
  }
  return { onResult, onWeights };
}

function readWish(x: Expansion, text: AnnotationText, env: Env): Wish | undefined {
  const name = text.name.text;
  const spec = annotationSpecs.get(name)!;
  const parameters = [
    ...Array.from({ length: spec.positional }, (_, i) => ({ name: `argument ${i + 1}` })),
    ...spec.named.map((key) => ({ name: key, named: true })),
  ];
  const { bound, complete } = bindArguments(x, `@${name}`, text.arguments, parameters, env);
  if (!complete) return undefined;
  const positional: (AttrValue | undefined)[] = [];
  const named = new Map<string, AttrValue | undefined>();
  for (const [key, [argument]] of bound) {
    if (argument!.name === undefined)
      positional.push(word(argument!.value) ?? dataOf(x, argument!.value, env, `an argument of '@${name}'`));
    else named.set(key, dataOf(x, argument!.value, env, `'${key}' of '@${name}'`));
  }
  if ([...positional, ...named.values()].includes(undefined)) return undefined;
  const annotation = {
    name,
    positional: positional as AttrValue[],
    named: Object.fromEntries(named) as { [key: string]: AttrValue },
  };
  const span = spanIn(env, text);
  const wrong = spec.check?.(annotation);
  if (wrong !== undefined) {
    x.report.problem(wrong, span);
    return undefined;
  }
  return { annotation, span, hits: 0 };
}

/** `@prune(aligned)`: a bare name without a parameter's name is a word, not a value. */
function word(e: Expression): string | undefined {
  return e.kind === "reference" ? e.text : undefined;
}
