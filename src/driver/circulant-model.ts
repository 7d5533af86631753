import { innerLayers, isMixing, type MixingLayer, weightAt, whyNotCirculant } from "../../passes/circulant-layers.ts";
import { type CirculantLayer, circulantLayer, statedBlock, withBlocks } from "../../passes/circulant-project.ts";
import { largestWeight } from "../../passes/reject-unsupported.ts";
import { type BlockSize, blockSizes } from "../base/circulant.ts";
import { type Diagnostic, fail } from "../base/diagnostic.ts";
import { bestChoices } from "../base/multiple-choice.ts";
import { type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import { type Graph, type NodeId, nodeAt } from "../ir/graph.ts";
import { type SpectralCost, spectralCost } from "./circulant-costs.ts";
import { type ModelSource, type ReadModel, readSource } from "./read-model.ts";
import { type WrittenModel, writtenModel } from "./written-model.ts";

export interface CirculantOptions {
  /** What blocks of this size everywhere would take, or a share of what the dense network takes, 0 .. 1. */
  readonly budget: { readonly block: BlockSize } | { readonly share: number };
  /** Sizes to choose from besides 1; default those of PrivCirNet's search. */
  readonly blocks?: readonly BlockSize[] | undefined;
  /** Squared gradients by the name of the weight; without them every weight counts the same. */
  readonly statistics?: ReadonlyMap<string, Tensor> | undefined;
  /** Told which layer is looked at. */
  readonly progress?: (layer: string, done: number) => void;
}

/** A layer that has got its block. */
export interface AssignedLayer {
  readonly layer: string;
  readonly weight: string;
  readonly shape: Shape;
  readonly block: BlockSize;
  /** Sum of squared differences of its weights as they will run, each times its squared gradient where known. */
  readonly loss: number;
  /** Root of that, as a share of the root of the same sum over the weights themselves. */
  readonly change: number;
  readonly dense: SpectralCost;
  readonly circulant: SpectralCost;
}

export interface CirculantModel extends WrittenModel {
  readonly graph: Graph;
  readonly degree: number;
  readonly layers: readonly AssignedLayer[];
  readonly budgetMilliseconds: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** Where a model says none, the ring that interactive protocols take for single layers. */
const usualDegree = 8192;
const usualBlocks: readonly BlockSize[] = [2, 4, 8, 16];

/**
 * Gives every layer between two others the circulant block that suits it, and projects its weight: of all assignments
 * within the budget the one with the least loss, by an exact integer program (that of PrivCirNet's search, whose loss is weighted
 * with squared gradients and the budget is that of one block everywhere). A layer that says `@circulant` keeps its own.
 *
 * Throws a SealwrightError where no layer can have blocks, the budget is too small, or statistics do not fit.
 */
export function circulantModel(source: ModelSource, weightsFile: string, options: CirculantOptions): CirculantModel {
  return circulantGraph(readSource(source), weightsFile, options);
}

/** The same for a network that was read or built. */
export function circulantGraph(model: ReadModel, weightsFile: string, options: CirculantOptions): CirculantModel {
  const { graph, settings, diagnostics } = model;
  const degree = settings.degree ?? usualDegree;
  const layers = layersOf(graph);
  if (layers.length === 0) fail("circulant-nothing", "nowhere", { network: graph.name });
  const candidates = layers.map((layer, i) => {
    options.progress?.(layer.name, i / layers.length);
    const importance = importanceOf(graph, layer, options.statistics);
    const cost = (block: BlockSize) => spectralCost(graph, layer, block, degree, settings.costTable);
    const choices = choicesOf(graph, layer, options.blocks ?? usualBlocks).map((block) => {
      const made = circulantLayer(graph, layer, block, importance);
      if (!Number.isFinite(made.loss)) refuseHuge(graph, layer);
      return { block, made, cost: cost(block) };
    });
    return { layer, choices, dense: cost(1) };
  });
  const items = candidates.map(({ choices }) =>
    choices.map(({ made, cost }) => ({ cost: cost.milliseconds, loss: made.loss })),
  );
  const budget = budgetOf(candidates, options.budget);
  const best = bestChoices(items, budget);
  if (best === undefined) {
    const needed = items.reduce((sum, choices) => sum + Math.min(...choices.map(({ cost }) => cost)), 0);
    return fail("circulant-budget", "nowhere", { network: graph.name, asked: askedOf(options.budget), needed, budget });
  }
  const chosen = candidates.map(({ layer, choices, dense }, i) => ({ layer, dense, ...choices[best.picks[i]!]! }));
  const changed = withBlocks(graph, changesOf(chosen));
  return {
    graph: changed,
    ...writtenModel(changed, model, weightsFile, (key) => key === "circulant.block"),
    degree,
    layers: chosen.map(({ layer, block, made, dense, cost }) => ({
      layer: layer.name,
      weight: nodeAt(graph, layer.inputs[1]!).name,
      shape: made.weight.shape,
      block,
      loss: made.loss,
      change: made.size === 0 ? 0 : Math.sqrt(made.loss / made.size),
      dense,
      circulant: cost,
    })),
    budgetMilliseconds: budget,
    diagnostics: diagnostics.all,
  };
}

interface Candidate {
  readonly choices: readonly { readonly block: BlockSize; readonly cost: SpectralCost }[];
  readonly dense: SpectralCost;
}

/** Layers whose counts are known: groups are not cut into tiles yet. */
function layersOf(graph: Graph): MixingLayer[] {
  const inner = new Set(innerLayers(graph).map((n) => n.id));
  return graph.nodes.filter(isMixing).filter((n) => {
    if (n.op === "conv2d" && n.attrs.groups > 1) return false;
    return statedBlock(n) !== undefined || (inner.has(n.id) && whyNotCirculant(graph, n, 2) === undefined);
  });
}

/** Sizes in ascending order that divide both numbers of channels, 1 among them; or the one that the layer states. */
function choicesOf(graph: Graph, layer: MixingLayer, allowed: readonly BlockSize[]): BlockSize[] {
  const stated = statedBlock(layer);
  if (stated === undefined) {
    const channels = weightAt(graph, layer).shape.slice(0, 2);
    return blockSizes.filter((b) => b === 1 || (allowed.includes(b) && channels.every((count) => count % b === 0)));
  }
  const why = whyNotCirculant(graph, layer, stated);
  if (why !== undefined)
    fail("circulant-unsupported", layer.span, { layer: layer.name, op: layer.op, block: stated, why });
  return [stated];
}

function importanceOf(graph: Graph, layer: MixingLayer, statistics: CirculantOptions["statistics"]) {
  if (statistics === undefined) return undefined;
  const { shape } = weightAt(graph, layer);
  const weight = nodeAt(graph, layer.inputs[1]!).name;
  const given = statistics.get(weight);
  const wrong = (found: string) =>
    fail("circulant-statistics", layer.span, { layer: layer.name, weight, found, shape });
  if (given === undefined) return wrong("missing");
  if (!sameShape(given.shape, shape)) return wrong(`of the shape [${given.shape.join(", ")}]`);
  const odd = given.data.find((v) => v < 0 || v > largestWeight);
  return odd === undefined ? given.data : wrong(`${odd < 0 ? "negative" : "far too large"} somewhere: ${odd}`);
}

/** Weights that cannot even be squared. */
function refuseHuge(graph: Graph, layer: MixingLayer): never {
  const { data } = weightAt(graph, layer);
  const { name } = nodeAt(graph, layer.inputs[1]!);
  const index = data.reduce((largest, v, i) => (Math.abs(v) > Math.abs(data[largest]!) ? i : largest), 0);
  return fail("weight-too-large", layer.span, { name, index, value: data[index]!, limit: largestWeight });
}

/** In milliseconds. Costs are summed up in the order of the program, so that one block everywhere is within its own budget. */
function budgetOf(candidates: readonly Candidate[], budget: CirculantOptions["budget"]): number {
  const sum = (of: (candidate: Candidate) => SpectralCost) =>
    candidates.reduce((total, candidate) => total + of(candidate).milliseconds, 0);
  if ("share" in budget) return budget.share * sum(({ dense }) => dense);
  return sum(({ choices }) => (choices.findLast(({ block }) => block <= budget.block) ?? choices[0]!).cost);
}

function askedOf(budget: CirculantOptions["budget"]): string {
  return "share" in budget
    ? `${Number((100 * budget.share).toPrecision(3))} % of the dense network`
    : `what blocks of ${budget.block} take`;
}

/** Layers that get no blocks and say nothing of them stay as they are. */
function changesOf(
  chosen: readonly { readonly layer: MixingLayer; readonly block: BlockSize; readonly made: CirculantLayer }[],
): ReadonlyMap<NodeId, { readonly block: BlockSize; readonly layer: CirculantLayer }> {
  const changed = chosen.filter(({ layer, block }) => block > 1 || statedBlock(layer) !== undefined);
  return new Map(changed.map(({ layer, block, made }) => [layer.id, { block, layer: made }]));
}
