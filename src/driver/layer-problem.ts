import type { Tensor } from "../base/tensor.ts";
import type { Graph, Node } from "../ir/graph.ts";
import { linearLayer } from "../ir/linear.ts";
import type { Design, Refit } from "./refit-rows.ts";

/** A layer whose weights are fitted: what it reads and what it should make of it, by sample. */
export interface LayerTask {
  readonly weight: Tensor;
  /** Size of its circulant blocks, which divide its channels; 1 for any weights. */
  readonly block: number;
  readonly bias: Tensor | undefined;
  /** A bias that stays as it is. */
  readonly fixed: Tensor | undefined;
  readonly operands: readonly Tensor[];
  readonly targets: readonly Tensor[];
}

/** Numbers of a design at most; beyond, evenly many of its rows are left out. */
const mostNumbers = 2 ** 25;

/**
 * The least-squares problems of the output channels of a layer, or of one part of a layer in groups: they share their rows.
 *
 * The outputs of a circulant block share their weights, so they are one problem, in the numbers of the block's first columns: an
 * equation for each sample, pixel and output, in which the columns are turned by as many places. A bias each comes behind. Below,
 * `o` counts such blocks; without them it is an output.
 */
export class LayerProblem {
  readonly samples: number;
  readonly #task: LayerTask;
  /** Weights of a block: as many as of one output. */
  readonly #perBlock: number;
  readonly #taps: number;
  readonly #pixels: number;
  readonly #columns: number;
  /** Pairs of a weight of the first output and an element of the operand, pixel by pixel. */
  readonly #terms: readonly (readonly number[])[];

  constructor(graph: Graph, node: Node, task: LayerTask, firstBlock: number) {
    const { weight, block, bias, operands } = task;
    const { map } = linearLayer(graph, node)!;
    const [outputs, inputs] = weight.shape as [number, number];
    this.samples = operands.length;
    this.#task = task;
    this.#perBlock = weight.data.length / outputs;
    this.#taps = this.#perBlock / inputs;
    this.#pixels = map.outputSize / outputs;
    this.#columns = this.#perBlock + (bias === undefined ? 0 : block);
    const firstOutput = firstBlock * block;
    this.#terms = Array.from({ length: this.#pixels }, (_, pixel) => {
      const terms: number[] = [];
      map.forRow(firstOutput * this.#pixels + pixel, (_, column, coefficient) =>
        terms.push(coefficient - firstOutput * this.#perBlock, column),
      );
      return terms;
    });
  }

  /** What the weights of a block multiply, for samples `from .. to - 1`: a column for each weight, and ones for the biases. */
  design(from: number, to: number): Design {
    const columns = this.#columns;
    const rows = this.#rows(from, to);
    const data = new Float64Array(rows.length * columns);
    for (const [row, { sample, pixel, output }] of rows.entries()) {
      const { data: x } = this.#task.operands[sample]!;
      const terms = this.#terms[pixel]!;
      const first = row * columns;
      for (let t = 0; t < terms.length; t += 2) data[first + this.#stored(output, terms[t]!)] = x[terms[t + 1]!]!;
      if (columns > this.#perBlock) data[first + this.#perBlock + output] = 1;
    }
    return { rows: rows.length, columns, data };
  }

  target(o: number, from: number, to: number): Float64Array {
    const { block, fixed, targets } = this.#task;
    return Float64Array.from(this.#rows(from, to), ({ sample, pixel, output }) => {
      const channel = o * block + output;
      return targets[sample]!.data[channel * this.#pixels + pixel]! - (fixed?.data[channel] ?? 0);
    });
  }

  /** The weights of a block as they are, its biases last. */
  start(o: number): Float64Array {
    const { weight, block, bias } = this.#task;
    const start = new Float64Array(this.#columns);
    for (let output = 0, at = o * block * this.#perBlock; output < block; output++)
      for (let w = 0; w < this.#perBlock; w++, at++) start[this.#stored(output, w)] = weight.data[at]!;
    if (bias !== undefined) start.set(bias.data.subarray(o * block, (o + 1) * block), this.#perBlock);
    return start;
  }

  solve(refit: Refit, hold: number, o: number, from: number, to: number): Float64Array {
    const start = this.start(o);
    const support = Int32Array.from(start.keys()).filter((c) => c >= this.#perBlock || start[c] !== 0);
    return refit.solve(this.target(o, from, to), start, support, hold);
  }

  /** Writes the weights that were found for a block, and its biases. */
  write(
    o: number,
    found: Float64Array,
    to: { readonly weight: Float64Array; readonly bias: Float64Array | undefined },
  ) {
    const { block } = this.#task;
    for (let output = 0, at = o * block * this.#perBlock; output < block; output++)
      for (let w = 0; w < this.#perBlock; w++, at++) to.weight[at] = found[this.#stored(output, w)]!;
    to.bias?.set(found.subarray(this.#perBlock), o * block);
  }

  /** Where the first columns have weight `w` of an output of a block: itself, without blocks. */
  #stored(output: number, w: number): number {
    const { block } = this.#task;
    const [input, tap] = [Math.floor(w / this.#taps), w % this.#taps];
    const place = input % block;
    return (input - place + ((output - place + block) % block)) * this.#taps + tap;
  }

  /** Rows of samples `from .. to - 1`: all outputs of a pixel. Evenly many pixels are left out where all together would be too large. */
  #rows(from: number, to: number): { readonly sample: number; readonly pixel: number; readonly output: number }[] {
    const { block } = this.#task;
    const all = this.#pixels * this.samples;
    const every = Math.max(1, Math.ceil((all * block * this.#columns) / mostNumbers));
    const first = Math.ceil((from * this.#pixels) / every);
    const end = Math.ceil((to * this.#pixels) / every);
    return Array.from({ length: (end - first) * block }, (_, row) => {
      const at = (first + Math.floor(row / block)) * every;
      return { sample: Math.floor(at / this.#pixels), pixel: at % this.#pixels, output: row % block };
    });
  }
}
