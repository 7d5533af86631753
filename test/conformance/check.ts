import { readSettings } from "../../passes/settings.ts";
import { type Diagnostic, Diagnostics, SealwrightError } from "../../src/base/diagnostic.ts";
import { elementCount, sameShape, type Tensor } from "../../src/base/tensor.ts";
import { compileGraph } from "../../src/driver/compile.ts";
import { evaluate } from "../../src/ir/evaluate.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { type Imported, importModel, isReal, layerName, type OnnxModel } from "../../src/onnx/index.ts";
import { simMachine } from "../../src/plan/sim-machine.ts";
import { defaultCostTable } from "../../src/scheme/cost-table.ts";
import { type Case, type DataSet, dataSets, readCase } from "./cases.ts";

/** What became of a model: right, refused with a reason, or wrong (which includes a crash). */
export type Outcome =
  | { readonly is: "passed" }
  | { readonly is: "refused"; readonly code: string; readonly why: string }
  | { readonly is: "failed"; readonly why: string };

export interface Checked {
  readonly name: string;
  /** The operators of the model's nodes, each once. */
  readonly operators: readonly string[];
  /** Import and evaluation in float64 against the expected outputs. */
  readonly float: Outcome;
  /** The same with every input known when compiling, so that all folds. */
  readonly folded: Outcome;
  /** Compilation and the plan on numbers; undefined where the float form has no encrypted input or is too large. */
  readonly plan: Outcome | undefined;
}

/** Larger models are evaluated and not compiled. */
const mostCompiledElements = 2 ** 15;

export async function checkCase(testCase: Case, { compile }: { readonly compile: boolean }): Promise<Checked> {
  let model: OnnxModel;
  let sets: DataSet[];
  try {
    model = readCase(testCase);
    sets = dataSets(testCase, model);
  } catch (error) {
    const outcome = outcomeOf(error);
    return { name: testCase.name, operators: [], float: outcome, folded: outcome, plan: undefined };
  }
  const operators = [...new Set(model.nodes.map((node) => node.op))];
  const base = { name: testCase.name, operators };
  const results: Pick<Checked, "float" | "folded" | "plan">[] = [];
  for (const data of sets) results.push(await checkData(model, data, compile));
  const worst = results.find((r) => r.float.is === "failed" || r.plan?.is === "failed" || r.folded.is === "failed");
  return {
    ...base,
    ...(worst ?? results[0] ?? { float: refusal("no data"), folded: refusal("no data"), plan: undefined }),
  };
}

const refusal = (why: string): Outcome => ({ is: "refused", code: "no-data", why });

async function checkData(model: OnnxModel, data: DataSet, compile: boolean) {
  const everything = attempt(model, data, data.inputs);
  const folded = "imported" in everything ? compared(everything.imported, data, everything.constants) : everything;
  const chosen = withEncryptedInputs(model, data);
  if (!("imported" in chosen)) return { float: chosen, folded, plan: undefined };
  const float = compared(chosen.imported, data, chosen.constants);
  const encrypted = chosen.imported.graph.outputs.length > 0;
  const plan = compile && float.is === "passed" && encrypted ? await planned(chosen.imported.graph, data) : undefined;
  return { float, folded, plan };
}

interface Attempt {
  readonly imported: Imported;
  readonly constants: ReadonlyMap<string, Tensor>;
}

/**
 * Imports with as many encrypted inputs as can be: all real ones, or the first only, the others being what a user would have
 * among the weights. Integers are never encrypted.
 */
function withEncryptedInputs(model: OnnxModel, data: DataSet): Attempt | Outcome {
  const real = model.inputs.filter(
    ({ name, type }) => data.inputs.has(name) && type !== undefined && isReal(type as never),
  );
  const choices = [real, real.slice(0, 1)].map((inputs) => new Set(inputs.map((i) => i.name)));
  let first: Outcome | undefined;
  for (const encrypted of choices) {
    const constants = new Map([...data.inputs].filter(([name]) => !encrypted.has(name)));
    const result = attempt(model, data, constants);
    if ("imported" in result) return result;
    if (result.is === "failed") return result;
    first ??= result;
  }
  return first!;
}

function attempt(model: OnnxModel, data: DataSet, constants: ReadonlyMap<string, Tensor>): Attempt | Outcome {
  const ranges = new Map(
    [...data.inputs].filter(([name]) => !constants.has(name)).map(([name, t]) => [name, rangeOf(t)]),
  );
  const diagnostics = new Diagnostics();
  try {
    // Optional inputs that the data leaves out are not there.
    const inputs = model.inputs.filter(({ name }) => data.inputs.has(name) || model.initializers.has(name));
    const imported = importModel({ ...model, inputs }, { ranges, constants }, diagnostics);
    return imported === undefined ? refusedBy(diagnostics.all) : { imported, constants };
  } catch (error) {
    return outcomeOf(error);
  }
}

/** A range an input could have been declared with: it holds its values and is not empty. */
function rangeOf({ data: all }: Tensor): readonly [number, number] {
  const data = all.filter(Number.isFinite);
  const low = data.reduce((a, b) => Math.min(a, b), 0);
  const high = data.reduce((a, b) => Math.max(a, b), 0);
  return [Math.min(-1, Math.floor(low)), Math.max(1, Math.ceil(high))];
}

function compared({ graph, knownOutputs }: Imported, data: DataSet, constants: ReadonlyMap<string, Tensor>): Outcome {
  try {
    const inputs = new Map(
      [...data.inputs].filter(([name]) => !constants.has(name)).map(([name, t]) => [layerName(name), t]),
    );
    const outputs = new Map([...knownOutputs, ...evaluate(graph, inputs)]);
    for (const [name, wanted] of data.outputs) {
      const found = outputs.get(name);
      if (found === undefined) return { is: "failed", why: `there is no output '${name}'` };
      const difference = firstDifference(found, wanted);
      if (difference !== undefined) return { is: "failed", why: `output '${name}' ${difference}` };
    }
    return { is: "passed" };
  } catch (error) {
    return outcomeOf(error);
  }
}

/** ONNX's own tolerance: 1e-7 + 1e-3 |wanted|. */
function firstDifference(found: Tensor, wanted: Tensor): string | undefined {
  if (!sameShape(found.shape, wanted.shape)) return `has the shape [${found.shape}], not [${wanted.shape}]`;
  const agrees = (f: number, w: number) => Object.is(f, w) || Math.abs(f - w) <= 1e-7 + 1e-3 * Math.abs(w);
  const at = wanted.data.findIndex((w, i) => !agrees(found.data[i]!, w));
  return at < 0 ? undefined : `is ${found.data[at]} at ${at}, not ${wanted.data[at]}`;
}

async function planned(graph: Graph, data: DataSet): Promise<Outcome | undefined> {
  const largest = Math.max(...graph.nodes.map((node) => ("shape" in node.type ? elementCount(node.type.shape) : 0)));
  if (largest > mostCompiledElements) return undefined;
  try {
    const diagnostics = new Diagnostics();
    const settings = readSettings([], new Map(), diagnostics);
    const model = { graph, settings: { ...settings, insecure: false, costTable: defaultCostTable }, diagnostics };
    const { plan } = compileGraph(model);
    const inputs = new Map(plan.inputs.map(({ name }) => [name, named(data.inputs, name)]));
    const found = await simMachine.run(plan, inputs);
    const wanted = evaluate(graph, inputs);
    for (const [name, { data: numbers }] of wanted) {
      const scale = numbers.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
      const values = found.get(name)!.data;
      const at = numbers.findIndex((w, i) => !(Math.abs(values[i]! - w) <= scale * 2 ** -40));
      if (at >= 0) return { is: "failed", why: `the plan's '${name}' is ${values[at]} at ${at}, not ${numbers[at]}` };
    }
    return { is: "passed" };
  } catch (error) {
    return outcomeOf(error);
  }
}

function named(inputs: ReadonlyMap<string, Tensor>, layer: string): Tensor {
  return [...inputs].find(([name]) => layerName(name) === layer)![1];
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof SealwrightError) return refusedBy(error.diagnostics);
  const why = error instanceof Error ? `${error.name}: ${error.message}` : `${error}`;
  return { is: "failed", why };
}

function refusedBy(diagnostics: readonly Diagnostic[]): Outcome {
  const { code, id, message } = diagnostics.find((d) => d.severity === "error")!;
  return { is: "refused", code, why: `${id}: ${message}` };
}
