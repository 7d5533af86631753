import { layerWeights } from "../../passes/prune/layer-weights.ts";
import type { Tensor } from "../base/tensor.ts";
import { useCounts } from "../ir/analysis.ts";
import { nodeValue } from "../ir/evaluate.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../ir/graph.ts";
import { linearLayer } from "../ir/linear.ts";
import type { Tensors } from "../plan/machine.ts";
import { type Design, Refit } from "./refit-rows.ts";

/** How hard weights are drawn to where they were, since few samples do not determine all of them: what generalises best is taken. */
const holds = [1e-3, 1e-2, 1e-1, 1];
/** One of so many samples judges that, on so many outputs at most. */
const judgingShare = 5;
const mostJudged = 16;
/** Numbers of a design at most; beyond, evenly many of its rows are left out. */
const mostNumbers = 2 ** 25;

/**
 * Refits the weights of pruned layers on samples, from the front layer by layer: what is left of each layer's weights, and its
 * bias, come closest to the values it had before pruning, from operands as the layers before it now make them. `pruned` has the
 * numbers of constants with zeros in them, by name; the answer has those of all layers it names refitted. Zeros stay zero.
 * All samples go through a layer before the next one is looked at, and values are let go after their last use.
 */
export function refitWeights(
  graph: Graph,
  pruned: ReadonlyMap<string, Float64Array>,
  samples: readonly Tensors[],
  progress: (layer: string, done: number) => void = () => {},
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

interface LayerTask {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly fixed: Tensor | undefined;
  readonly operands: readonly Tensor[];
  readonly targets: readonly Tensor[];
}

/** Weights and bias of a convolution or dense layer, those that are not zero fitted to its targets. */
function refitLayer(graph: Graph, node: Node, task: LayerTask) {
  const { weight, bias } = task;
  const outputs = weight.shape[0]!;
  const groups = node.op === "conv2d" ? node.attrs.groups : 1;
  const perRow = weight.data.length / outputs;
  const refitted = { weight: weight.data.slice(), bias: bias?.data.slice() };
  for (let group = 0; group < groups; group++) {
    const first = (group * outputs) / groups;
    const problem = new LayerProblem(graph, node, task, first);
    const own = Array.from({ length: outputs / groups }, (_, i) => first + i);
    const hold = bestHold(problem, own);
    if (hold === undefined) continue;
    const refit = new Refit(problem.design(0, task.operands.length), hold);
    for (const o of own) {
      const found = problem.solve(refit, o, 0, task.operands.length);
      refitted.weight.set(found.subarray(0, perRow), o * perRow);
      if (refitted.bias !== undefined) refitted.bias[o] = found[perRow]!;
    }
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
  for (const hold of holds) {
    const refit = new Refit(design, hold);
    const found = loss((o) => problem.solve(refit, o, 0, count - judges));
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

/** The least-squares problems of the output channels of a layer, or of one part of a layer in groups: they share their rows. */
class LayerProblem {
  readonly samples: number;
  readonly #task: LayerTask;
  readonly #perRow: number;
  readonly #pixels: number;
  readonly #columns: number;
  /** Pairs of a column and an element of the operand, pixel by pixel. */
  readonly #terms: readonly (readonly number[])[];

  constructor(graph: Graph, node: Node, task: LayerTask, firstOutput: number) {
    const { weight, bias, operands } = task;
    const { map } = linearLayer(graph, node)!;
    const outputs = weight.shape[0]!;
    this.samples = operands.length;
    this.#task = task;
    this.#perRow = weight.data.length / outputs;
    this.#pixels = map.outputSize / outputs;
    this.#columns = this.#perRow + (bias === undefined ? 0 : 1);
    this.#terms = Array.from({ length: this.#pixels }, (_, pixel) => {
      const terms: number[] = [];
      map.forRow(firstOutput * this.#pixels + pixel, (_, column, coefficient) =>
        terms.push(coefficient - firstOutput * this.#perRow, column),
      );
      return terms;
    });
  }

  /** What the weights of an output multiply, for samples `from .. to - 1`: a column for each weight, and ones for the bias. */
  design(from: number, to: number): Design {
    const columns = this.#columns;
    const rows = this.#rows(from, to);
    const data = new Float64Array(rows.length * columns);
    for (const [row, { sample, pixel }] of rows.entries()) {
      const { data: x } = this.#task.operands[sample]!;
      const terms = this.#terms[pixel]!;
      for (let t = 0; t < terms.length; t += 2) data[row * columns + terms[t]!] = x[terms[t + 1]!]!;
      if (columns > this.#perRow) data[row * columns + this.#perRow] = 1;
    }
    return { rows: rows.length, columns, data };
  }

  target(output: number, from: number, to: number): Float64Array {
    const less = this.#task.fixed?.data[output] ?? 0;
    const at = output * this.#pixels;
    return Float64Array.from(
      this.#rows(from, to),
      ({ sample, pixel }) => this.#task.targets[sample]!.data[at + pixel]! - less,
    );
  }

  /** The weights of an output as they are, its bias last. */
  start(output: number): Float64Array {
    const start = new Float64Array(this.#columns);
    start.set(this.#task.weight.data.subarray(output * this.#perRow, (output + 1) * this.#perRow));
    if (this.#task.bias !== undefined) start[this.#perRow] = this.#task.bias.data[output]!;
    return start;
  }

  solve(refit: Refit, output: number, from: number, to: number): Float64Array {
    const start = this.start(output);
    const support = Int32Array.from(start.keys()).filter((c) => c === this.#perRow || start[c] !== 0);
    return refit.solve(this.target(output, from, to), start, support);
  }

  /** Rows of samples `from .. to - 1`; evenly many are left out where all together would be too large. */
  #rows(from: number, to: number): { readonly sample: number; readonly pixel: number }[] {
    const all = this.#pixels * this.samples;
    const every = Math.max(1, Math.ceil((all * this.#columns) / mostNumbers));
    const first = Math.ceil((from * this.#pixels) / every);
    const end = Math.ceil((to * this.#pixels) / every);
    return Array.from({ length: end - first }, (_, row) => {
      const at = (first + row) * every;
      return { sample: Math.floor(at / this.#pixels), pixel: at % this.#pixels };
    });
  }
}
