import { pipeline } from "../../passes/pipeline.ts";
import { defaultSettings } from "../../passes/settings.ts";
import { Diagnostics, SealwrightError } from "../base/diagnostic.ts";
import { type Graph, inputNodes, type Node, nodeAt } from "../ir/graph.ts";
import { findSkips, joinPart, type Skip } from "../ir/skips.ts";
import { shapeOf } from "../ops/value-type.ts";
import { countOperations } from "./count-operations.ts";
import { runPasses } from "./pass-manager.ts";

/** What a skip costs besides the layers it goes around. */
export interface SkipCost {
  /** Galois key switches, conjugations included. Negative where the layer with the skip has a cheaper plan than without. */
  readonly rotations: number;
  readonly plainMultiplications: number;
  readonly rescales: number;
  /** Levels by which the join makes the way longer. */
  readonly levels: number;
  /** Ciphertexts that are kept for the join. */
  readonly liveCiphertexts: number;
}

export interface SkipReport {
  readonly fork: string;
  readonly join: string;
  /** Folded into weights, computed as one layer with the linear layers it meets, or added as it is. */
  readonly becomes: "weights" | "layer" | "sum";
  /** The layer whose result is the sum, once skips are rewritten. */
  readonly layer: string;
  readonly before: SkipCost;
  readonly after: SkipCost;
}

/** Passes a part of a network goes through. */
const partPasses = pipeline
  .slice(0, pipeline.findIndex((pass) => pass.name === "pack") + 1)
  .filter((pass) => pass.name !== "fit-activations" && pass.name !== "prune");
const rewriting: readonly string[] = ["rewrite-skips", "fuse-sums"];

/**
 * What each skip of a network costs, with skips rewritten and without. Both are counted on the part of the network between
 * fork and join: packed by itself, its activations squares, less the same part without the skip.
 * `network` is as it was read; without a degree nothing is measured. Parts that cannot be packed so are left out.
 */
export function measureSkips(network: Graph, degree: number | undefined): readonly SkipReport[] {
  if (degree === undefined) return [];
  const known = new Map<string, Measured>();
  return findSkips(network).flatMap((skip): SkipReport[] => {
    const part = joinPart(network, skip, skip.join);
    const key = textOf(part, skip);
    try {
      const { becomes, layer, before, after } = known.get(key) ?? measured(network, skip, part, degree);
      known.set(key, { becomes, layer, before, after });
      const name = nodeAt(part, layer).name;
      return [{ fork: skip.fork.name, join: skip.join.name, becomes, layer: name, before, after }];
    } catch (error) {
      if (error instanceof SealwrightError) return [];
      throw error;
    }
  });
}

/** The degree of the ring a graph was packed for, or has primes for; undefined before that. */
export function ringDegree({ nodes, scheme }: Graph): number | undefined {
  if (scheme !== undefined) return scheme.degree;
  for (const { type } of nodes) if ("layout" in type) return 2 * type.layout.slots;
  return undefined;
}

interface Measured extends Pick<SkipReport, "becomes" | "before" | "after"> {
  /** The node of the part that gives the layer its name. */
  readonly layer: Node["id"];
}

/** Parts with the same text cost the same, whatever their weights. */
function textOf(part: Graph, { fork }: Skip): string {
  return JSON.stringify(
    part.nodes.map((n) => [n.op, n.inputs, n.op === "constant" ? 0 : n.attrs, shapeOf(n.type), n.name === fork.name]),
  );
}

function measured(network: Graph, skip: Skip, part: Graph, degree: number): Measured {
  const bare = counted(joinPart(network, skip, skip.main), degree, true);
  const [off, on] = [counted(part, degree, false), counted(part, degree, true)];
  const end = nodeAt(on.graph, on.graph.outputs.find((o) => o.name === "end")!.node);
  const isSum =
    (end.op === "add" || end.op === "subtract") && inputNodes(on.graph, end).every((n) => n.op !== "constant");
  const becomes = isSum ? "sum" : end.op === "sum_of" ? "layer" : "weights";
  const { type } = off.graph.nodes.find((n) => n.name === skip.fork.name)!;
  const kept = type.kind === "packed" ? type.layout.ciphertexts : 1;
  const cost = ({ totals }: Counted, liveCiphertexts: number): SkipCost => ({
    rotations: totals.rotations - bare.totals.rotations,
    plainMultiplications: totals.plainMultiplications - bare.totals.plainMultiplications,
    rescales: totals.rescales - bare.totals.rescales,
    levels: totals.levels - bare.totals.levels,
    liveCiphertexts,
  });
  const named = part.nodes.find((n) => n.name === end.name) ?? part.nodes.find((n) => n.name === skip.join.name)!;
  return { becomes, layer: named.id, before: cost(off, kept), after: cost(on, becomes === "weights" ? 0 : kept) };
}

interface Counted {
  readonly graph: Graph;
  readonly totals: NonNullable<ReturnType<typeof countOperations>>["cost"]["totals"];
}

function counted(part: Graph, degree: number, rewritten: boolean): Counted {
  const passes = partPasses.filter((pass) => rewritten || !rewriting.includes(pass.name));
  const settings = { ...defaultSettings, degree };
  // What a client would lay out as it likes is in the middle of the network here.
  const options = new Map([["pack", { client: false }]]);
  const graph = runPasses(part, passes, { settings, diagnostics: new Diagnostics(), options });
  return { graph, totals: countOperations(graph)!.cost.totals };
}
