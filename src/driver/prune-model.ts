import { statedBlock } from "../../passes/circulant-project.ts";
import type { PruneGoal } from "../../passes/prune/choose.ts";
import { wishesOf, withoutWishes } from "../../passes/prune/wishes.ts";
import { withConstants, zeroedTensors } from "../../passes/prune/zero-weights.ts";
import { type Diagnostic, fail } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import type { GroupKind } from "../ir/weight-groups.ts";
import { inputPorts } from "../plan/inputs.ts";
import { alignChannels } from "./align-channels.ts";
import { type CalibrationOptions, checkedSamples } from "./calibrate-ranges.ts";
import { choosePruned, type PruneTask } from "./choose-pruned.ts";
import { type Closeness, closeness, withHeldOut } from "./closeness.ts";
import { circulantBlocks, type ModelCost, mappedModel } from "./model-groups.ts";
import { type ModelSource, type ReadModel, type ReadOptions, readSource } from "./read-model.ts";
import { refitWeights } from "./refit-weights.ts";
import type { Sample } from "./samples.ts";
import { modelWeights } from "./trace-weights.ts";
import { scoresFrom, weightScores } from "./weight-scores.ts";
import { type WrittenModel, writtenModel } from "./written-model.ts";

export interface PruneOptions extends CalibrationOptions {
  /** Groups that go; with `goal` alone. Default: aligned. */
  readonly kind?: GroupKind | undefined;
  /** How far to go; default: as the model's annotations and settings say. */
  readonly goal?: PruneGoal | undefined;
  /**
   * Mean squared slopes of the loss along weights, by the names of tensors: a number's square times that is what it is worth, as
   * in the diagonal of the Fisher information. Default: found from the samples without labels, or 1.
   */
  readonly statistics?: ReadonlyMap<string, Tensor> | undefined;
  /** Whether what is left is refitted to the samples. Default: yes. */
  readonly refit?: boolean | undefined;
  /** Whether channels are put in another order first, for aligned groups. Default: yes. */
  readonly permute?: boolean | undefined;
  /** Told what is being done, and how far it is. */
  readonly progress?: ((label: string, done?: number) => void) | undefined;
}

/** What is left of a layer's weights. */
export interface PrunedLayer {
  readonly layer: string;
  readonly weights: number;
  readonly left: number;
}

export interface PrunedModel extends WrittenModel {
  readonly graph: Graph;
  readonly before: ModelCost;
  /** Packed anew. */
  readonly after: ModelCost;
  readonly layers: readonly PrunedLayer[];
  /** Where channels were put in order: the share of the pruned layers' scores that is lost without that, and with it. */
  readonly aligned: readonly [before: number, after: number] | undefined;
  /** On samples no weight was fitted to, without and with refitting; undefined without samples, or where there are too few. */
  readonly plain: Closeness | undefined;
  readonly refitted: Closeness | undefined;
  /** Layers that could not be pruned, because they are folded together with others. */
  readonly untraced: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Prunes a model by groups of the plan it compiles to, and refits what is left to samples, as a model of its own that keeps
 * the targets. Groups are scored by the squares of their weights, with samples times the mean squares of what they multiply. Throws a
 * SealwrightError when a sample does not fit, there is nothing to prune, or a goal cannot be reached.
 */
export function pruneModel(
  source: ModelSource,
  samples: Iterable<Sample>,
  weightsFile: string,
  options: PruneOptions & ReadOptions = {},
): PrunedModel {
  return pruneGraph(readSource(source, options), samples, weightsFile, options);
}

/** The same for a network that was read or built. */
export function pruneGraph(
  model: ReadModel,
  samples: Iterable<Sample>,
  weightsFile: string,
  options: PruneOptions = {},
): PrunedModel {
  const {
    limit = Number.POSITIVE_INFINITY,
    clamp = false,
    refit = true,
    permute = true,
    progress = () => {},
  } = ownOptions(options);
  const { settings, diagnostics } = model;
  const wishes = options.goal === undefined ? wishesOf(model.graph, model) : [];
  diagnostics.throwIfErrors();
  const graph = withoutWishes(model.graph);
  const plainModel: ReadModel = { ...model, graph, settings: { ...settings, pruneKeep: 1 } };
  const { known, heldOut } = withHeldOut([...checkedSamples(inputPorts(graph), samples, limit, clamp)]);

  const tasks: readonly PruneTask[] =
    options.goal === undefined
      ? wishes.map(({ keep, ...wish }) => ({ ...wish, goal: { keep } }))
      : [{ kind: options.kind ?? "aligned", goal: options.goal }];
  if (tasks.length === 0)
    fail("bad-usage", "nowhere", {
      text: `'${graph.name}' asks for no pruning, and no goal was given`,
      hint: "give --keep, --rotations or --milliseconds, or write @prune at a layer",
    });

  progress("compiling");
  const dense = mappedModel(plainModel);
  const { untraced } = dense;
  if (dense.parts.every(({ traced }) => traced.size === 0))
    fail("nothing-to-prune", "nowhere", { network: graph.name, folded: untraced });
  const inOrder = permute && tasks.some(({ kind }) => kind === "aligned");
  const scores =
    options.statistics !== undefined
      ? scoresFrom(graph, options.statistics)
      : known.length > 0
        ? weightScores(graph, known)
        : undefined;
  const aligned = inOrder
    ? alignChannels(plainModel, dense, tasks, scores, progress)
    : { graph, mapped: dense, scores, lost: undefined };
  const base: ReadModel = { ...plainModel, graph: aligned.graph };
  const chosen = choosePruned(base, aligned.mapped, tasks, aligned.scores, progress);
  const zeroed = zeroedTensors(base.graph, chosen.parts);

  const canRefit = refit && known.length > 0 && zeroed.size > 0;
  const refitting = (layer: string, done: number) => progress(`refitting ${layer}`, done);
  const blocks = new Map(circulantBlocks(base).nodes.map((node) => [node.name, statedBlock(node) ?? 1]));
  const blockOf = (layer: string) => blocks.get(layer) ?? 1;
  const fitted = canRefit ? refitWeights(base.graph, zeroed, known, refitting, blockOf) : zeroed;
  const [plain, changed] = [withConstants(base.graph, zeroed), withConstants(base.graph, fitted)];
  const near = (other: Graph) => (heldOut.length === 0 ? undefined : closeness(graph, other, heldOut));
  return {
    graph: changed,
    ...writtenModel(changed, model, weightsFile, (key) => key.startsWith("prune.")),
    before: dense.cost,
    after: chosen.cost,
    layers: leftOf(graph, zeroed),
    aligned: aligned.lost,
    plain: near(plain),
    refitted: canRefit ? near(changed) : undefined,
    untraced,
    diagnostics: diagnostics.all,
  };
}

function leftOf(graph: Graph, zeroed: ReadonlyMap<string, Float64Array>): PrunedLayer[] {
  return modelWeights(graph).flatMap(({ layer, weight }) => {
    const data = zeroed.get(weight);
    if (data === undefined) return [];
    return [{ layer, weights: data.length, left: data.reduce((n, w) => (w === 0 ? n : n + 1), 0) }];
  });
}
