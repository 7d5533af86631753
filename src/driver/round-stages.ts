import { invariant } from "../base/diagnostic.ts";
import { type Graph, nodeAt } from "../ir/graph.ts";
import type { Layout } from "../scheme/layout.ts";
import { isPreparing, partModel, readyToCut } from "./compile-any.ts";
import { graphAfter } from "./compile-graph.ts";
import { compileServer } from "./compile-rounds.ts";
import { CompiledParts } from "./compiled-parts.ts";
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

/** A server part after a pass, and after packing where it has come so far. */
interface ServerStage {
  readonly graph: Graph;
  readonly packed: Graph | undefined;
}

function serverAfter(model: ReadModel, stopAfter: string, observe: PassObserver | undefined): Graph {
  const stages = new CompiledParts<ServerStage>((part, diagnostics, watch) => {
    let packed: Graph | undefined;
    const watchPacking: PassObserver = {
      ...watch,
      after: (pass, graph, ...rest) => {
        if (pass.name === "pack") packed = graph;
        watch.after?.(pass, graph, ...rest);
      },
    };
    const graph = graphAfter({ ...model, graph: part, diagnostics }, stopAfter, watchPacking);
    return { graph, packed };
  }, observe);
  const layoutsOf = (part: Graph) => resultLayouts(stages.attempt(part)?.packed);
  const part = compileServer(model.graph, (asItIs) => asItIs, layoutsOf);
  return stages.take(part, model.diagnostics).graph;
}

function resultLayouts(packed: Graph | undefined): Layout[] {
  if (packed === undefined) return [];
  return packed.outputs.map(({ node }) => {
    const { type } = nodeAt(packed, node);
    invariant("layout" in type, "a packed value has a layout");
    return type.layout;
  });
}
