import { weightGroups } from "../../passes/prune/groups.ts";
import { removableCosts, type SupportMap, supportMap } from "../../passes/prune/support-map.ts";
import { Diagnostics } from "../base/diagnostic.ts";
import type { Graph } from "../ir/graph.ts";
import type { GroupKind, RemovableCost, WeightGroup, WeightPart } from "../ir/weight-groups.ts";
import { keySetsOf, stagesOf } from "../plan/key-sets.ts";
import { isRoundsPlan } from "../plan/rounds.ts";
import { type CompiledRounds, compileAny } from "./compile-any.ts";
import type { Compiled } from "./compile-graph.ts";
import type { ReadModel } from "./read-model.ts";
import { type ModelWeight, modelWeights, tracedWeights } from "./trace-weights.ts";

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
  readonly map: SupportMap;
  /** Tensors of the model, by the name of the constant that was made of them. */
  readonly traced: ReadonlyMap<string, ModelWeight>;
}

export interface MappedModel {
  readonly parts: readonly MappedPart[];
  readonly cost: ModelCost;
  /** Layers with weights that were folded together with others, so that no single weight of theirs is a number of the model. */
  readonly untraced: readonly string[];
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
  const parts = [...leveled.values()].map((graph): MappedPart => {
    const map = supportMap(graph, costTable, bandwidth);
    return { graph, map, traced: tracedWeights(weights, graph) };
  });
  const known = new Set(parts.flatMap(({ traced }) => [...traced.values()].map((source) => source.layer)));
  const untraced = [...new Set(weights.map((weight) => weight.layer))].filter((layer) => !known.has(layer));
  return { parts, cost: costOf(compiled), untraced };
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

/** The groups of weights of a model, as numbers of its own tensors; of layers that are traced alone. */
export function modelGroups({ parts }: Pick<MappedModel, "parts">, kind: GroupKind): WeightGroup[] {
  return parts.flatMap(({ map, traced }) =>
    weightGroups(map, kind).flatMap((group) => {
      const source = traced.get(group.weight);
      return source === undefined ? [] : [{ ...group, layer: source.layer, weight: source.weight }];
    }),
  );
}

/** Every removable cost of a model's plans; of rounds, each by itself, keys as well. */
export function modelCosts({ parts }: Pick<MappedModel, "parts">): RemovableCost[] {
  return parts.flatMap(({ map, traced }) =>
    removableCosts(map).flatMap((cost) => {
      const own = cost.parts.map((part) => inModel(part, traced));
      return own.every((part) => part !== undefined) ? [{ ...cost, parts: own }] : [];
    }),
  );
}

/** Weights of a compiled network as those of the model. */
export function inModel(part: WeightPart, traced: ReadonlyMap<string, ModelWeight>): WeightPart | undefined {
  const source = traced.get(part.weight);
  return source && { layer: source.layer, weight: source.weight, indices: part.indices };
}
