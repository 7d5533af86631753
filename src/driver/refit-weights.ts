import { layerWeights } from "../../passes/prune/layer-weights.ts";
import { isCirculant } from "../base/circulant.ts";
import type { Tensor } from "../base/tensor.ts";
import { useCounts } from "../ir/analysis.ts";
import { nodeValue } from "../ir/evaluate.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../ir/graph.ts";
import type { Tensors } from "../plan/machine.ts";
import { LayerProblem, type LayerTask } from "./layer-problem.ts";
import { type Design, Refit } from "./refit-rows.ts";

/** How hard weights are drawn to where they were, since few samples do not determine all of them: what generalises best is taken. */
const holds = [1e-3, 1e-2, 1e-1, 1];
/** One of so many samples judges that, on so many outputs at most. */
const judgingShare = 5;
const mostJudged = 16;

/**
 * Refits the weights of pruned layers on samples, from the front layer by layer: what is left of each layer's weights, and its
 * bias, come closest to the values it had before pruning, from operands as the layers before it now make them. `pruned` has the
 * numbers of constants with zeros in them, by name; the answer has those of all layers it names refitted. Zeros stay zero.
 * All samples go through a layer before the next one is looked at, and values are let go after their last use.
 *
 * Weights with circulant blocks, whose size `blockOf` tells, keep them: their first columns are fitted to all outputs of a block.
 */
export function refitWeights(
  graph: Graph,
  pruned: ReadonlyMap<string, Float64Array>,
  samples: readonly Tensors[],
  progress: (layer: string, done: number) => void = () => {},
  blockOf: (layer: string) => number = () => 1,
): ReadonlyMap<string, Float64Array> {
  const uses = useCounts(graph);
  const lastUse = new Map<NodeId, NodeId>();
  for (const node of graph.nodes) for (const id of [node.id, ...node.inputs]) lastUse.set(id, node.id);
  const outputs = new Set(graph.outputs.map((o) => o.node));
  const numbers = new Map(pruned);
  const states = samples.map((inputs) => ({
    inputs,
    before: new Map<NodeId, Tensor>(),
    after: new Map<NodeId, Tensor>(),
  }));
  const constant = (id: NodeId): Tensor => {
    const node = nodeAt(graph, id);
    const { data } = (node as Node & { op: "constant" }).attrs;
    const changed = numbers.get(node.name);
    return changed === undefined ? data : { shape: data.shape, data: changed };
  };
  for (const node of graph.nodes) {
    const isRefitted = node.inputs.some((id) => pruned.has(nodeAt(graph, id).name)) && node.op !== "sum_of";
    for (const { inputs, before } of states) before.set(node.id, nodeValue(node, before, inputs));
    const own = isRefitted ? layerWeights(graph, node).find((w) => uses.get(w.constant.id) === 1) : undefined;
    if (own !== undefined) {
      progress(node.name, node.id / graph.nodes.length);
      const bias = node.inputs[2];
      const refitted = refitLayer(graph, node, {
        weight: constant(own.constant.id),
        block: blockOf(node.name),
        bias: bias !== undefined && uses.get(bias) === 1 ? constant(bias) : undefined,
        operands: states.map(({ after }) => after.get(node.inputs[0]!)!),
        targets: states.map(({ before }) => before.get(node.id)!),
        // A bias that others use, too, stays as it is and is taken off first.
        fixed: bias !== undefined && uses.get(bias) !== 1 ? constant(bias) : undefined,
      });
      numbers.set(own.constant.name, refitted.weight);
      if (refitted.bias !== undefined) numbers.set(nodeAt(graph, bias!).name, refitted.bias);
      for (const id of node.inputs)
        if (nodeAt(graph, id).op === "constant") for (const { after } of states) after.set(id, constant(id));
    }
    for (const { inputs, before, after } of states) {
      const same = node.op !== "constant" && node.inputs.every((id) => after.get(id) === before.get(id));
      const value =
        node.op === "constant" ? constant(node.id) : same ? before.get(node.id)! : nodeValue(node, after, inputs);
      after.set(node.id, value);
    }
    for (const id of new Set([node.id, ...node.inputs])) {
      if (lastUse.get(id) !== node.id || outputs.has(id)) continue;
      for (const { before, after } of states) {
        before.delete(id);
        after.delete(id);
      }
    }
  }
  return numbers;
}

/** Weights and bias of a convolution or dense layer, those that are not zero fitted to its targets. */
function refitLayer(graph: Graph, node: Node, { block: asked, ...task }: LayerTask) {
  const { weight, bias } = task;
  const [outputs, inputs] = weight.shape as [number, number];
  const groups = node.op === "conv2d" ? node.attrs.groups : 1;
  const refitted = { weight: weight.data.slice(), bias: bias?.data.slice() };
  const block = isCirculant(weight, asked) ? asked : 1;
  // Of a block that goes on with channels that are not there, not all columns have an equation.
  if ((outputs / groups) % block !== 0 || inputs % block !== 0) return refitted;
  const blocks = outputs / groups / block;
  for (let group = 0; group < groups; group++) {
    const problem = new LayerProblem(graph, node, { ...task, block }, group * blocks);
    const own = Array.from({ length: blocks }, (_, i) => group * blocks + i);
    const hold = bestHold(problem, own);
    if (hold === undefined) continue;
    const refit = new Refit(problem.design(0, task.operands.length));
    for (const o of own) problem.write(o, problem.solve(refit, hold, o, 0, task.operands.length), refitted);
  }
  return refitted;
}

/** The hold whose weights do best on samples they were not fitted to; undefined where all do worse than the weights as they are. */
function bestHold(problem: LayerProblem, outputs: readonly number[]): number | undefined {
  const count = problem.samples;
  const judges = Math.floor(count / judgingShare);
  if (judges === 0) return holds.at(-1);
  const every = Math.ceil(outputs.length / mostJudged);
  const judged = outputs.filter((_, i) => i % every === 0);
  const design = problem.design(0, count - judges);
  const judging = problem.design(count - judges, count);
  const loss = (weightsOf: (o: number) => Float64Array) =>
    judged.reduce((sum, o) => sum + missOf(judging, weightsOf(o), problem.target(o, count - judges, count)), 0);
  let best: { hold: number | undefined; loss: number } = { hold: undefined, loss: loss((o) => problem.start(o)) };
  const refit = new Refit(design);
  for (const hold of holds) {
    const found = loss((o) => problem.solve(refit, hold, o, 0, count - judges));
    if (found < best.loss) best = { hold, loss: found };
  }
  return best.hold;
}

function missOf({ rows, columns, data }: Design, w: Float64Array, target: Float64Array): number {
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    let miss = -target[r]!;
    for (let c = 0, at = r * columns; c < columns; c++, at++) miss += data[at]! * w[c]!;
    sum += miss * miss;
  }
  return sum;
}
