import type { Settings } from "../../passes/settings.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { Rounds } from "../ir/cut-rounds.ts";
import { inputsOf } from "../ir/evaluate.ts";
import { type Graph, type NodeId, nodeAt } from "../ir/graph.ts";
import type { Draft } from "../ir/rewrite.ts";
import { type Blinding, blindBits, blindings } from "../plan/blind.ts";
import type { Plan, Port } from "../plan/plan.ts";
import { writePlan } from "../plan/plan-file.ts";
import type { RoundsPlan } from "../plan/rounds.ts";

const largestFactor = 2 ** blindBits;

/**
 * The settings for one server part of a network that is to be blinded. Values that a client sends back are larger by a factor,
 * and so are errors of the weights that undo it: the part is asked for as many bits more. Values it reveals need the room.
 */
export function blindSettings(settings: Settings, part: Graph, network: Graph): Settings {
  if (!settings.blind) return settings;
  const given = new Set(inputsOf(network).map((node) => node.name));
  const results = new Set(network.outputs.map(({ node }) => nodeAt(network, node).name));
  const takesBlinded = inputsOf(part).some(({ name }) => !given.has(name));
  const makesBlinded = part.outputs.some(({ name }) => !results.has(name));
  return {
    ...settings,
    precision: settings.precision + (takesBlinded ? blindBits : 0),
    roomBits: makesBlinded ? blindBits : 0,
  };
}

type Unnamed = Omit<RoundsPlan, "id">;

/**
 * Readies compiled rounds to be blinded. Where a value that could have factors is not made or read by a linear layer, which
 * would apply them, its part is compiled again with one that lays the value out anew and takes a level.
 */
export function blindable(draft: Unnamed, { rounds }: Rounds, compile: (part: Graph) => Plan): Unnamed {
  const bare = draft.rounds.map(({ client }) => ({ server: undefined, client }));
  const possible = blindings({ ...draft, rounds: bare });
  const served = draft.rounds.map((round, r) => {
    if (round.server === undefined) return round;
    const own = bare.map((other, i) => (i === r ? { ...other, server: round.server } : other));
    const have = blindings({ ...draft, rounds: own });
    const lost = new Set(
      [...round.server.inputs, ...round.server.outputs].flatMap(({ name, of = name }) =>
        multiplied(have, of) < multiplied(possible, of) ? [of] : [],
      ),
    );
    return lost.size === 0 ? round : { ...round, server: compile(laidOutAnew(rounds[r]!.server!, lost)) };
  });
  const done = blindings({ ...draft, rounds: served });
  return {
    ...draft,
    rounds: served.map((round) => ({ ...round, server: round.server && widened(round.server, done) })),
    blindBits,
  };
}

function multiplied(all: ReadonlyMap<string, Blinding>, name: string): number {
  return all.get(name)?.multiplied ?? 0;
}

/** The same with a `relayout` behind these inputs and in front of these outputs. */
function laidOutAnew(graph: Graph, ports: ReadonlySet<string>): Graph {
  const out = new GraphBuilder(graph.name);
  const ids = new Map<NodeId, NodeId>();
  const made = new Set(graph.outputs.map((o) => o.node));
  for (const node of graph.nodes) {
    const { span } = node;
    const name = made.has(node.id) && ports.has(node.name) ? `${node.name}.clear` : node.name;
    const id = out.add({ ...node, name, inputs: node.inputs.map((i) => ids.get(i)!) } as unknown as Draft);
    const anew = node.op === "input" && ports.has(node.name);
    const clear = { op: "relayout", inputs: [id], attrs: {}, name: `${node.name}.clear`, span } as const;
    ids.set(node.id, anew ? out.add(clear) : id);
  }
  for (const { name, node } of graph.outputs) {
    const id = ids.get(node)!;
    const { span } = nodeAt(graph, node);
    out.output(name, ports.has(name) ? out.add({ op: "relayout", inputs: [id], attrs: {}, name, span }) : id);
  }
  return out.build();
}

/** The same plan for values that are multiplied: its ranges are what the client encrypts, and may decrypt. */
function widened(plan: Plan, done: ReadonlyMap<string, Blinding>): Plan {
  const { id: _, ...rest } = plan;
  const wide = (port: Port): Port => {
    if (multiplied(done, port.of ?? port.name) === 0) return port;
    const [low, high] = port.range;
    return { ...port, range: [Math.min(low, low * largestFactor), Math.max(high, high * largestFactor)] };
  };
  const inputs = plan.inputs.map(wide);
  const ranges = new Map(inputs.map(({ name, range }) => [name, range]));
  const nodes = plan.program.nodes.map((node) =>
    node.op === "he_input" ? { ...node, attrs: { ...node.attrs, range: ranges.get(node.attrs.input)! } } : node,
  );
  return writePlan({ ...rest, program: { ...plan.program, nodes }, inputs, outputs: plan.outputs.map(wide) }).plan;
}
