import { pipeline } from "../../passes/pipeline.ts";
import { defaultSettings, type Settings } from "../../passes/settings.ts";
import { Diagnostics, invariant } from "../base/diagnostic.ts";
import type { Graph, Node, NodeId } from "../ir/graph.ts";
import { type Stage, stageOf } from "../ir/verify.ts";
import { type CostRequest, galoisSteps, measureCost } from "../plan/cost.ts";
import { layerOfNode } from "../plan/layer-names.ts";
import type { Cost } from "../plan/plan.ts";
import type { Scheme } from "../scheme/parameters.ts";
import { runPasses } from "./pass-manager.ts";

/** What a graph costs before there is a plan. Errors are not predicted: every `boundBits` is 0. */
export interface OperationCounts {
  readonly cost: Cost;
  /** As in a plan. */
  readonly galoisSteps: readonly number[];
  /** The chain the operations were counted with; its `security` is 0 where none within the tables is long enough. */
  readonly scheme: Scheme;
}

/** What of the settings decides after `pack`. */
export type CountOptions = Partial<Pick<Settings, "maxKeys" | "costTable" | "security">>;

/** The pass that takes a graph of each stage further; without one it cannot be counted (network) or is a program (he). */
const nextPass: { readonly [S in Stage]?: string } = { packed: "assign-levels", leveled: "lower-to-he" };

/**
 * Counts the operations of a graph that was packed at least, for whatever ring it was packed: the rest of compilation really
 * happens, with a chain of primes as long as the network needs, within the security tables or not. Undefined for a network
 * that is not packed. Throws a SealwrightError where the graph cannot be compiled further.
 */
export function countOperations(graph: Graph, options: CountOptions = {}): OperationCounts | undefined {
  const stage = stageOf(graph);
  if (stage === "network") return undefined;
  const lowered = stage === "he" ? { leveled: layersOf(graph), program: graph } : finished(graph, stage, options);
  const { scheme } = lowered.program;
  invariant(scheme !== undefined, "a program has a scheme");
  const cost = measureCost({ ...lowered, table: options.costTable ?? defaultSettings.costTable });
  return { cost, galoisSteps: galoisSteps(lowered.program), scheme };
}

function finished(graph: Graph, stage: Stage, options: CountOptions): Pick<CostRequest, "leveled" | "program"> {
  const first = pipeline.findIndex((pass) => pass.name === nextPass[stage]);
  const settings: Settings = { ...defaultSettings, ...options, degree: 2 * slotsOf(graph), insecure: true };
  let leveled = graph;
  const program = runPasses(
    graph,
    pipeline.slice(first),
    { settings, diagnostics: new Diagnostics() },
    {
      after: (pass, made) => {
        if (pass.name === "assign-levels") leveled = made;
      },
    },
  );
  return { leveled, program };
}

function slotsOf(graph: Graph): number {
  const layout = graph.nodes.flatMap(({ type }) => ("layout" in type ? [type.layout] : [])).at(0);
  invariant(layout !== undefined, `'${graph.name}' has no layout`);
  return layout.slots;
}

/** A stand-in for the leveled graph that a program was made from: one node for each layer its names speak of. */
function layersOf(program: Graph): Graph {
  const layers = new Map<string, Node>();
  for (const node of program.nodes) {
    const name = layerOfNode(node.name);
    if (node.op === "constant" || layers.has(name)) continue;
    layers.set(name, { ...node, id: layers.size as NodeId, name, inputs: [] });
  }
  return { ...program, nodes: [...layers.values()], outputs: [] };
}
