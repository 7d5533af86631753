import { invariant } from "../base/diagnostic.ts";
import { type Graph, nodeAt } from "../ir/graph.ts";
import type { Layout } from "../scheme/layout.ts";
import { partModel, readyToCut } from "./compile-any.ts";
import { graphAfter } from "./compile-graph.ts";
import { compileServer } from "./compile-rounds.ts";
import { countOperations, type OperationCounts } from "./count-operations.ts";
import type { ReadModel } from "./read-model.ts";

/**
 * What the server does in each round of a network with client steps, in their order, in the ring of `degree` or the smallest one: the
 * rounds are packed and lowered, but no weight is encoded and no error predicted (rescales may follow from that). Rounds in which
 * the server does nothing are left out; `auto` counts as `client`. Throws a SealwrightError where a round cannot be packed.
 */
export function countRounds(model: ReadModel): OperationCounts[] {
  const { fitted, cutter } = readyToCut(model);
  return cutter.cut(fitted).rounds.flatMap(({ server }) => {
    if (server === undefined) return [];
    const own = partModel(model, server, fitted);
    const packed = compileServer(server, (graph) => graphAfter({ ...own, graph }, "pack", undefined), resultLayouts);
    const counts = countOperations(packed, model.settings);
    invariant(counts !== undefined, "a packed network can be counted");
    return [counts];
  });
}

function resultLayouts(packed: Graph): Layout[] {
  return packed.outputs.map(({ node }) => {
    const { type } = nodeAt(packed, node);
    invariant("layout" in type, "a packed value has a layout");
    return type.layout;
  });
}
