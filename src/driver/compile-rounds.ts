import { GraphBuilder } from "../ir/builder.ts";
import type { Rounds } from "../ir/cut-rounds.ts";
import type { Graph, NodeId } from "../ir/graph.ts";
import type { Draft } from "../ir/rewrite.ts";
import type { Plan } from "../plan/plan.ts";
import type { RoundsPlan } from "../plan/rounds.ts";
import { idle, type Layout, layoutElements } from "../scheme/layout.ts";
import type { ReadModel } from "./read-model.ts";
import { compilerVersion } from "./version.ts";

/**
 * Compiles a network that was cut at its client layers: each server part by itself, with the smallest parameters and the
 * layouts that suit it, since its inputs are freshly encrypted. `compile` makes the plan of one part.
 */
export function compileRounds(
  { graph }: ReadModel,
  { rounds, outputs }: Rounds,
  compile: (part: Graph) => Plan,
): Omit<RoundsPlan, "id"> {
  return {
    model: graph.name,
    compiler: compilerVersion,
    rounds: rounds.map(({ server, client }) => ({ server: server && compile(server), client })),
    outputs,
    source: graph,
  };
}

/**
 * Compiles one server part. Partial sums of a layer say more about weights than its results do: where what is made would leave some,
 * by the layouts of its results, they are masked.
 */
export function compileServer<Made>(
  part: Graph,
  compile: (part: Graph) => Made,
  layoutsOf: (made: Made) => readonly Layout[],
): Made {
  const bare = compile(part);
  return layoutsOf(bare).every(isFull) ? bare : compile(masked(part));
}

/**
 * Whether each slot carries an element: nothing else can get out. The imaginary parts of real values are zero. Coefficients
 * without an element are masked in any plan.
 */
function isFull(layout: Layout): boolean {
  return layout.coefficients || layoutElements(layout).every((element) => element !== idle);
}

/**
 * The same with every output laid out once more, which multiplies what idle slots hold by zero and takes a level.
 */
function masked(graph: Graph): Graph {
  const out = new GraphBuilder(graph.name);
  const ids = new Map<NodeId, NodeId>();
  const revealed = new Set(graph.outputs.map((o) => o.node));
  for (const node of graph.nodes) {
    const name = revealed.has(node.id) ? `${node.name}.bare` : node.name;
    ids.set(node.id, out.add({ ...node, name, inputs: node.inputs.map((id) => ids.get(id)!) } as unknown as Draft));
  }
  for (const { name, node } of graph.outputs) {
    const { span } = graph.nodes[node]!;
    out.output(name, out.add({ op: "relayout", inputs: [ids.get(node)!], attrs: {}, name, span }));
  }
  return out.build();
}
