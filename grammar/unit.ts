import { invariant, isProblem } from "../src/base/diagnostic.ts";
import type { SourceFile, Span } from "../src/base/span.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Scheme } from "../src/scheme/parameters.ts";
import type { FileStatement, SchemeStatement, Unit } from "./ast.ts";
import { checkUncalled } from "./blocks.ts";
import { textOf } from "./evaluate.ts";
import { type Env, type Expansion, NodeNames, spanIn, TooLarge } from "./expansion.ts";
import { type ModelHost, type WeightFile, Weights } from "./host.ts";
import type { Report } from "./report.ts";
import { readScheme } from "./scheme.ts";
import { type BlockBinding, Scope } from "./scope.ts";
import { runStatements } from "./statements.ts";

/** What is known before a network is expanded. */
export interface UnitContext {
  readonly file: SourceFile;
  readonly fileScope: Scope;
  readonly host: ModelHost;
  readonly report: Report;
  /** The blocks of the file itself. */
  readonly blocks: readonly BlockBinding[];
}

/** Expands a network, or reads a flat graph; undefined when something was reported. */
export function expandUnit(unit: Unit, context: UnitContext): Graph | undefined {
  const { report, file, fileScope } = context;
  const scope = new Scope("unit", file, fileScope, unit.body);
  const env: Env = { scope, caller: undefined, prefix: "", suffix: "", wishes: [] };
  try {
    const setUp = start(unit, context, undefined);
    const wantsScheme = unit.body.some((s) => s.kind === "scheme" || (s.kind === "broken" && s.keyword === "scheme"));
    const schemes = unit.body.filter((s): s is SchemeStatement => s.kind === "scheme");
    const scheme = readSchemes(setUp, schemes, unit, env);
    const x = start(unit, context, scheme, env);
    // With a scheme that could not be read, nothing is known about the types of HE values.
    x.dry = wantsScheme && scheme === undefined;
    runStatements(x, unit.body, env);
    checkBlocks(x, env);
    if (x.outputs.size === 0 && !unit.body.some((s) => s.kind === "broken")) {
      report.at("no-output", spanIn(env, unit.name), { name: unit.name.text });
    }
    if (report.failed) return undefined;
    const graph = x.builder.build();
    invariant(graph.outputs.length === x.outputs.size, `'${graph.name}' lost an output without an error`);
    return graph;
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
}

function start(unit: Unit, context: UnitContext, scheme: Scheme | undefined, env?: Env): Expansion {
  const own = unit.body.flatMap((s) =>
    s.kind === "definition" || s.kind === "input" || s.kind === "output" ? [s.name.text] : [],
  );
  const x: Expansion = {
    report: context.report,
    builder: new GraphBuilder(unit.name.text, scheme),
    scheme,
    flat: unit.kind === "graph",
    names: new NodeNames(new Set(own)),
    weights: () => undefined,
    constants: new Map(),
    outputs: new Map(),
    blocks: [...context.blocks],
    called: new Set(),
    dry: false,
    steps: 0,
    depth: 0,
    lacksScheme: false,
  };
  return env === undefined ? x : { ...x, weights: weightsOf(x, unit, context, env) };
}

function readSchemes(x: Expansion, statements: readonly SchemeStatement[], unit: Unit, env: Env): Scheme | undefined {
  const [first, second] = statements;
  if (first !== undefined && unit.kind === "network") {
    const span = spanIn(env, { start: first.start, end: first.start + "scheme".length });
    x.report.at("misplaced-statement", span, {
      statement: "scheme",
      allowed: "a flat graph; a network gets its scheme by compiling",
    });
    return undefined;
  }
  if (second !== undefined) {
    x.report.at("misplaced-statement", spanIn(env, second), { statement: "scheme", allowed: "one scheme per graph" });
  }
  return first === undefined ? undefined : readScheme(x, first, env);
}

/** Opens the weights files when the first weight is named. */
function weightsOf(x: Expansion, unit: Unit, { host, file, report }: UnitContext, env: Env): Expansion["weights"] {
  const statements = unit.body.filter((s): s is FileStatement => s.kind === "weights");
  const opened: { path: string; file: WeightFile }[] = [];
  let failed = unit.body.some((s) => s.kind === "broken" && s.keyword === "weights");
  for (const statement of statements) {
    const path = textOf(x, statement.path, env);
    const found = path === undefined ? undefined : host.weights(path, file);
    if (isProblem(found)) report.problem(found, spanIn(env, statement.path));
    if (path === undefined || found === undefined || isProblem(found)) failed = true;
    else opened.push({ path: `'${path}'`, file: found });
  }
  let weights: Weights | undefined = failed ? undefined : new Weights(opened);
  if (failed || statements.length > 0) return () => weights;
  let asked = false;
  return (span: Span, name: string) => {
    if (asked) return weights;
    asked = true;
    const beside = host.weights(undefined, file);
    if (isProblem(beside)) report.at("no-weights", span, { name });
    weights = isProblem(beside) ? undefined : new Weights([{ path: "the tensors beside the text", file: beside }]);
    return weights;
  };
}

/** Blocks nobody calls are checked as far as that goes without arguments; so are the blocks inside them. */
function checkBlocks(x: Expansion, env: Env): void {
  x.dry = true;
  for (let i = 0; i < x.blocks.length; i++) {
    const binding = x.blocks[i]!;
    if (x.called.has(binding.block)) continue;
    x.called.add(binding.block);
    checkUncalled(x, binding, env);
  }
  x.dry = false;
}
