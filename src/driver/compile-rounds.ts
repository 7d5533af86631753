import type { Settings } from "../../passes/settings.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { type CutRequest, cutRounds, isClientLayer } from "../ir/cut-rounds.ts";
import type { Graph, Node, NodeId } from "../ir/graph.ts";
import { lazyIntervals } from "../ir/intervals.ts";
import type { Draft } from "../ir/rewrite.ts";
import type { Plan } from "../plan/plan.ts";
import type { RoundsPlan } from "../plan/rounds.ts";
import type { ReadModel } from "./read-model.ts";
import { compilerVersion } from "./version.ts";

/** Whether the settings leave a layer of the network to the client. */
export function hasClientLayers(graph: Graph, settings: Settings): boolean {
  return graph.nodes.some((node) => isLeftToClient(node, settings));
}

function isLeftToClient(node: Node, { activations }: Settings): boolean {
  return isClientLayer(node) && activations.get(node.op)?.kind === "client";
}

/** Values seen on data may be this share of their spread larger on other data. */
const margin = 0.5;

/**
 * Compiles a network whose client layers the settings name: each server part by itself, with the smallest parameters and the
 * layouts that suit it, since its inputs are freshly encrypted. `compile` makes the plan of one part.
 */
export function compileRounds({ graph, settings }: ReadModel, compile: (part: Graph) => Plan): Omit<RoundsPlan, "id"> {
  const bounds = lazyIntervals(graph);
  const request: CutRequest = {
    isClient: (node) => isLeftToClient(node, settings),
    rangeOf: (node) => {
      const { low, high, origin } = settings.ranges?.get(node.name) ?? bounds().get(node.name)!;
      const more = origin === "data" ? margin * (high - low) : 0;
      // A value that is one number still needs a range to be encrypted in.
      return low === high ? [low - 1, high + 1] : [low - more, high + more];
    },
  };
  const { rounds, outputs } = cutRounds(graph, request);
  return {
    model: graph.name,
    compiler: compilerVersion,
    rounds: rounds.map(({ server, client }) => ({
      server: server && compile(masked(server)),
      client,
    })),
    outputs,
    source: graph,
  };
}

/**
 * The same with every output laid out once more, which multiplies what idle slots hold by zero: partial sums of layers say more
 * about weights than their results do.
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
