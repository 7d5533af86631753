import { circulant } from "../../passes/circulant.ts";
import { weightGroups } from "../../passes/prune/groups.ts";
import { lastWeights } from "../../passes/prune/last-weights.ts";
import type { WeightSources } from "../../passes/prune/layer-weights.ts";
import { removableCosts, type SupportMap, supportMap } from "../../passes/prune/support-map.ts";
import { Diagnostics } from "../base/diagnostic.ts";
import type { Graph } from "../ir/graph.ts";
import type { GroupKind, RemovableCost, WeightGroup } from "../ir/weight-groups.ts";
import { keySetsOf, stagesOf } from "../plan/key-sets.ts";
import { isRoundsPlan } from "../plan/rounds.ts";
import { type CompiledRounds, compileAny } from "./compile-any.ts";
import type { Compiled } from "./compile-graph.ts";
import type { ReadModel } from "./read-model.ts";
import { modelWeights, tracedWeights } from "./trace-weights.ts";

/** What a compiled model needs, all rounds together. Keys are those of all sets of parameters. */
export interface ModelCost {
  readonly rotations: number;
  readonly products: number;
  readonly keys: number;
  readonly milliseconds: number;
}

/** A part of a compiled model, as the server computes it. */
export interface MappedPart {
  readonly graph: Graph;
  /** In numbers of the model's own tensors. */
  readonly map: SupportMap;
  /** Tensors of the model, by the name of the constant that was made of them. */
  readonly traced: WeightSources;
}

export interface MappedModel {
  readonly parts: readonly MappedPart[];
  readonly cost: ModelCost;
  /** Layers with weights that were folded together with others in such a way that no zeros of theirs alone remove a cost. */
  readonly untraced: readonly string[];
  /** Names of the weights that outputs are made by. */
  readonly last: ReadonlySet<string>;
}

/** Compiles a model and finds out which weights its plans pay for. Throws a SealwrightError where it cannot be compiled. */
export function mappedModel(model: ReadModel): MappedModel {
  const leveled = new Map<string, Graph>();
  const compiled = compileAny(
    { ...model, diagnostics: new Diagnostics() },
    {
      // A round whose results are masked is compiled twice; the second time counts.
      after: (pass, graph) => {
        if (pass.name === "assign-levels") leveled.set(constantsOf(graph), graph);
      },
    },
  );
  const weights = modelWeights(model.graph);
  const { costTable, bandwidth } = model.settings;
  const blocks = circulantBlocks(model);
  const parts = [...leveled.values()].map((graph): MappedPart => {
    const traced = tracedWeights(model.graph, graph, blocks);
    return { graph, map: supportMap(graph, costTable, bandwidth, traced), traced };
  });
  const known = new Set(parts.flatMap(({ traced }) => [...traced.values()].map((source) => source.layer)));
  const untraced = [...new Set(weights.map((weight) => weight.layer))].filter((layer) => !known.has(layer));
  return { parts, cost: costOf(compiled), untraced, last: lastWeights(model.graph) };
}

/** A model with the circulant blocks that it asks for. */
export function circulantBlocks({ graph, settings }: Pick<ReadModel, "graph" | "settings">): Graph {
  return circulant.run(graph, { settings, diagnostics: new Diagnostics() });
}

function constantsOf(graph: Graph): string {
  return JSON.stringify(graph.nodes.filter((node) => node.op === "constant").map((node) => node.name));
}

function costOf({ plan }: Compiled | CompiledRounds): ModelCost {
  const servers = isRoundsPlan(plan) ? plan.rounds.flatMap(({ server }) => server ?? []) : [plan];
  const sum = (of: (server: (typeof servers)[number]) => number) => servers.reduce((n, server) => n + of(server), 0);
  const keySets = isRoundsPlan(plan) ? keySetsOf(stagesOf(plan)) : servers;
  return {
    rotations: sum(({ cost }) => cost.totals.rotations),
    products: sum(({ cost }) => cost.totals.plainMultiplications),
    keys: keySets.reduce((n, { galoisSteps }) => n + galoisSteps.length, 0),
    milliseconds: sum(({ cost }) => cost.estimate.milliseconds),
  };
}

/** The groups of weights of a model, as numbers of its own tensors. */
export function modelGroups({ parts }: Pick<MappedModel, "parts">, kind: GroupKind): WeightGroup[] {
  return parts.flatMap(({ map }) => weightGroups(map, kind));
}

/** Every removable cost of a model's plans; of rounds, each by itself, keys as well. */
export function modelCosts({ parts }: Pick<MappedModel, "parts">): RemovableCost[] {
  return parts.flatMap(({ map }) => removableCosts(map));
}
