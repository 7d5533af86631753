import { pipeline } from "../../passes/pipeline.ts";
import { Diagnostics, invariant } from "../base/diagnostic.ts";
import { type Graph, nodeAt } from "../ir/graph.ts";
import type { Layout } from "../scheme/layout.ts";
import { isPreparing, partModel, readyToCut } from "./compile-any.ts";
import { graphAfter } from "./compile-graph.ts";
import { compileServer } from "./compile-rounds.ts";
import { countOperations, type OperationCounts } from "./count-operations.ts";
import { needsClient } from "./cut-network.ts";
import type { PassObserver } from "./pass-manager.ts";
import type { ReadModel } from "./read-model.ts";

/** What the server computes in one round, as a pass leaves it. */
export interface RoundStage {
  /** From 1. */
  readonly round: number;
  readonly graph: Graph;
}

/**
 * What the server does in each round of a network with client steps, in their order, as the pass `stopAfter` leaves it. Rounds in
 * which the server does nothing are left out; beside a layer that is left to the client, `auto` counts as `client`. Undefined for a
 * network without such a layer, and for passes that come before it is cut into rounds. Throws a SealwrightError where a round
 * cannot be compiled so far.
 */
export function roundsAfter(
  model: ReadModel,
  stopAfter: string,
  observe?: PassObserver,
): readonly RoundStage[] | undefined {
  if (!needsClient(model.graph, model.settings) || isPreparing(stopAfter)) return undefined;
  const { fitted, cutter } = readyToCut(model, observe);
  return cutter.cut(fitted).rounds.flatMap(({ server }, i) => {
    if (server === undefined) return [];
    return [{ round: i + 1, graph: serverAfter(partModel(model, server, fitted), stopAfter, observe) }];
  });
}

/** The operations of each round once it is packed; no weight is encoded and no error predicted (rescales may follow from that). */
export function countRounds(model: ReadModel): OperationCounts[] {
  const rounds = roundsAfter(model, "pack");
  invariant(rounds !== undefined, "the network has client steps");
  return rounds.map(({ graph }) => {
    const counts = countOperations(graph, model.settings);
    invariant(counts !== undefined, "a packed network can be counted");
    return counts;
  });
}

function serverAfter(model: ReadModel, stopAfter: string, observe: PassObserver | undefined): Graph {
  const place = (name: string) => pipeline.findIndex((pass) => pass.name === name);
  if (place(stopAfter) < place("pack")) return graphAfter(model, stopAfter, observe);
  const pack = (graph: Graph) => {
    const diagnostics = new Diagnostics();
    return { graph, packed: graphAfter({ ...model, graph, diagnostics }, "pack", undefined), diagnostics };
  };
  const { graph, packed, diagnostics } = compileServer(model.graph, pack, (made) => resultLayouts(made.packed));
  if (stopAfter !== "pack" || observe !== undefined) return graphAfter({ ...model, graph }, stopAfter, observe);
  for (const said of diagnostics.all) model.diagnostics.add(said);
  return packed;
}

function resultLayouts(packed: Graph): Layout[] {
  return packed.outputs.map(({ node }) => {
    const { type } = nodeAt(packed, node);
    invariant("layout" in type, "a packed value has a layout");
    return type.layout;
  });
}
