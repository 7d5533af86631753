import { plusDelta, type Replacement, relativeError } from "../../passes/dirac-skips.ts";
import type { Weights } from "../../passes/fold-affine.ts";
import { type ResidualBlock, residualBlocks, stagesOf } from "../../passes/residual-blocks.ts";
import type { Tensor } from "../base/tensor.ts";
import { nodeValue } from "../ir/evaluate.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../ir/graph.ts";
import type { Tensors } from "../plan/machine.ts";
import { type DiracTask, fittedDirac, layerValues, plusScaled } from "./dirac-fit.ts";

/** What became of one block. */
export interface FittedBlock {
  readonly join: string;
  readonly layers: readonly string[];
  /** Factor of Delta in all layers but the last. */
  readonly alpha: number;
  /** Where the long skip that ends here begins. */
  readonly longSkip: string | undefined;
  /** Relative rms difference of the join's values from the original's, errors of earlier blocks included. */
  readonly loss: number;
}

export interface FittedSkips {
  readonly blocks: readonly ResidualBlock[];
  readonly replacement: Replacement;
  readonly fitted: readonly FittedBlock[];
}

/** Factors of Delta tried for the layers of a block before its last. */
const innerAlphas = [0, 0.5, 1] as const;

/**
 * Finds Dirac convolutions in place of skips that stay closest to the network on samples: block by block from the input on, so
 * that each makes up for what those before it changed. The last layer of a block is fitted to what the join was
 * (`fittedDirac`); of a few factors of Delta in the layers before it, the best is taken. All samples go through
 * a layer before the next one is looked at, and values are let go after their last use. Batch norms are to be folded before.
 */
export function fitSkips(graph: Graph, samples: readonly Tensors[]): FittedSkips {
  const blocks = residualBlocks(graph);
  const byJoin = new Map(blocks.map((block) => [block.join.id as NodeId, block]));
  const inside = new Set(blocks.flatMap(({ chain }) => chain.map((n) => n.id)));
  const sources = new Map(stagesOf(graph, blocks).map((stage) => [stage.at(-1)!.join.id as NodeId, stage[0]!.fork.id]));
  const lastUse = lastUses(graph, blocks, sources);

  const weights = new Map<NodeId, Weights>();
  const longSkips = new Map<NodeId, { source: NodeId; scale: Float64Array }>();
  const fitted: FittedBlock[] = [];
  const states = samples.map((inputs) => ({
    inputs,
    original: new Map<NodeId, Tensor>(),
    changed: new Map<NodeId, Tensor>(),
  }));
  for (const node of graph.nodes) {
    for (const { inputs, original } of states) original.set(node.id, nodeValue(node, original, inputs));
    const block = byJoin.get(node.id);
    if (block === undefined) {
      for (const { inputs, original, changed } of states) {
        const same = node.inputs.every((id) => changed.get(id) === original.get(id));
        if (!inside.has(node.id))
          changed.set(node.id, same ? original.get(node.id)! : nodeValue(node, changed, inputs));
      }
    } else {
      const source = sources.get(node.id);
      const best = fittedBlock(graph, block, {
        operands: states.map(({ changed }) => changed.get(block.fork.id)!),
        targets: states.map(({ original }) => original.get(node.id)!),
        sources: source === undefined ? undefined : states.map(({ changed }) => changed.get(source)!),
      });
      for (const [i, layer] of block.layers.entries()) weights.set(layer.node.id, best.weights[i]!);
      if (source !== undefined) longSkips.set(node.id, { source, scale: best.gamma! });
      for (const [i, { changed }] of states.entries()) changed.set(node.id, best.results[i]!);
      fitted.push({
        join: node.name,
        layers: block.layers.map((layer) => layer.node.name),
        alpha: best.alpha,
        longSkip: source === undefined ? undefined : nodeAt(graph, source).name,
        loss: best.loss,
      });
    }
    for (const id of lastUse.get(node.id) ?? []) {
      for (const { original, changed } of states) {
        original.delete(id);
        changed.delete(id);
      }
    }
  }
  return { blocks, replacement: { weights, longSkips }, fitted };
}

function fittedBlock(graph: Graph, block: ResidualBlock, task: DiracTask) {
  const last = block.layers.at(-1)!;
  const tries = (block.layers.length === 1 ? [0] : innerAlphas).map((alpha) => {
    const inner = block.layers.slice(0, -1).map((layer) => plusDelta(layer, alpha));
    const operands = task.operands.map((x) => throughChain(graph, block, inner, x));
    const { weights, gamma } = fittedDirac(last, { ...task, operands });
    const results = operands.map((x, i) => plusScaled(layerValues(last, weights, x), gamma, task.sources?.[i]));
    return { alpha, weights: [...inner, weights], gamma, results, loss: relativeError(task.targets, results) };
  });
  return tries.reduce((best, other) => (other.loss < best.loss ? other : best));
}

/** What the last layer of a block is given, when those before have other weights. */
function throughChain(
  graph: Graph,
  { chain, layers, fork }: ResidualBlock,
  inner: readonly Weights[],
  x: Tensor,
): Tensor {
  let [value, before]: [Tensor, Node] = [x, fork];
  for (const node of chain.slice(0, -1)) {
    const at = layers.findIndex((layer) => layer.node.id === node.id);
    const operands = new Map([[before.id, value]]);
    for (const id of node.inputs) {
      const operand = nodeAt(graph, id);
      if (operand.op === "constant") operands.set(id, operand.attrs.data);
    }
    value = at < 0 ? nodeValue(node, operands, new Map()) : layerValues(layers[at]!, inner[at]!, value);
    before = node;
  }
  return value;
}

/** The values to let go behind each node. */
function lastUses(
  graph: Graph,
  blocks: readonly ResidualBlock[],
  sources: ReadonlyMap<NodeId, NodeId>,
): ReadonlyMap<NodeId, readonly NodeId[]> {
  const last = new Map<NodeId, NodeId>();
  for (const node of graph.nodes) for (const id of [node.id, ...node.inputs]) last.set(id, node.id);
  const until = (id: NodeId, end: NodeId) => last.set(id, Math.max(last.get(id)!, end) as NodeId);
  for (const { fork, join } of blocks) until(fork.id, join.id);
  for (const [join, source] of sources) until(source, join);
  const uses = new Map<NodeId, NodeId[]>();
  for (const [id, end] of last) uses.set(end, [...(uses.get(end) ?? []), id]);
  return uses;
}
