import type { Tensor } from "../../src/base/tensor.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { type ChannelAxis, type Streams, streamsOf } from "./streams.ts";
import { withConstants } from "./zero-weights.ts";

/** What is to be kept of a weight tensor: by position of each number, 1 or 0; and what the numbers that are there now are worth. */
export interface KeptWeights {
  readonly kept: Uint8Array;
  readonly scores: Float64Array;
}

export interface PermutedNetwork {
  readonly graph: Graph;
  /** Something about each number of a constant, by its name, where those numbers are now. */
  move(name: string, data: Float64Array): Float64Array;
}

/** Rounds in which every stream is put in order once more. */
const rounds = 4;
/** Gains below it are rounding. */
const leastGain = 1e-12;

/** Which channel each position of a stream has, by stream. */
type Orders = ReadonlyMap<number, Int32Array>;

/**
 * Puts channels in the order in which the groups of a plan that stay keep most: the same network, its weights elsewhere. One order
 * for each stream, all that a residual sum joins; inputs and outputs stay as they are. Alternating over the streams, pairs of
 * channels are swapped as long as that gains, the best pair first (packing.md, section 7). `weights` by name of the tensor; around
 * layers in `ordered`, by name, channels stay where they are.
 */
export function permuteChannels(
  graph: Graph,
  weights: ReadonlyMap<string, KeptWeights>,
  ordered?: ReadonlySet<string>,
): PermutedNetwork {
  const streams = streamsOf(graph, ordered);
  const tensors = new Map(
    graph.nodes.flatMap((node) => (node.op === "constant" ? [[node.name, node.attrs.data] as const] : [])),
  );
  const orders = new Map(
    streams.free.map(({ id, channels }) => [id, Int32Array.from({ length: channels }, (_, c) => c)]),
  );
  for (let round = 0, gained = true; round < rounds && gained; round++) {
    gained = false;
    for (const { id, channels } of streams.free) {
      const worth = new Float64Array(channels * channels);
      for (const axis of streams.axes) if (axis.stream === id) addWorth(worth, axis, streams, orders, tensors, weights);
      if (swap(orders.get(id)!, worth)) gained = true;
    }
  }
  const move = (name: string, data: Float64Array) => moved(streams, orders, tensors.get(name)!, name, data);
  const changed = new Set(streams.axes.map((axis) => axis.constant));
  const numbers = new Map([...changed].map((name) => [name, move(name, tensors.get(name)!.data)]));
  return { graph: withConstants(graph, numbers), move };
}

/** Adds what is kept of each channel (second index) at each position (first index) of a stream, other streams staying as they are. */
function addWorth(
  worth: Float64Array,
  { constant, stream, axis }: ChannelAxis,
  { axes }: Streams,
  orders: Orders,
  tensors: ReadonlyMap<string, Tensor>,
  weights: ReadonlyMap<string, KeptWeights>,
): void {
  const own = weights.get(constant);
  if (own === undefined) return;
  const { rows, columns } = matrix(tensors.get(constant)!);
  const channels = orders.get(stream)!.length;
  const other = axes.find((a) => a.constant === constant && a.axis !== axis);
  const otherOrder = other && orders.get(other.stream);
  // Along the axis a channel is a block of neighbours; across it, each line is at the place its own channel has.
  const [along, across] = axis === "rows" ? [rows, columns] : [columns, rows];
  const block = along / channels;
  const lines = sources(across, otherOrder);
  const at = (line: number, place: number) => (axis === "rows" ? place * columns + line : line * columns + place);
  const score = new Float64Array(block * channels);
  for (let line = 0; line < across; line++) {
    for (let place = 0; place < along; place++) score[place] = own.scores[at(lines[line]!, place)]!;
    for (let p = 0; p < channels; p++)
      for (let b = 0; b < block; b++) {
        if (own.kept[at(line, p * block + b)] === 0) continue;
        for (let q = 0; q < channels; q++) worth[p * channels + q]! += score[q * block + b]!;
      }
  }
}

/** Swaps channels while that gains, the best pair first. */
function swap(order: Int32Array, worth: Float64Array): boolean {
  const n = order.length;
  let gained = false;
  for (let swaps = 0; swaps < n * n; swaps++) {
    let best = { gain: leastGain, a: 0, b: 0 };
    for (let a = 0; a < n; a++) {
      const own = worth[a * n + order[a]!]!;
      for (let b = a + 1; b < n; b++) {
        const now = own + worth[b * n + order[b]!]!;
        const gain = worth[a * n + order[b]!]! + worth[b * n + order[a]!]! - now;
        if (gain > best.gain + leastGain * now) best = { gain, a, b };
      }
    }
    if (best.a === best.b) return gained;
    gained = true;
    [order[best.a], order[best.b]] = [order[best.b]!, order[best.a]!];
  }
  return gained;
}

/** Where the numbers of each place of an axis come from. */
function sources(length: number, order: Int32Array | undefined): Int32Array {
  if (order === undefined) return Int32Array.from({ length }, (_, i) => i);
  const block = length / order.length;
  return Int32Array.from({ length }, (_, i) => order[Math.floor(i / block)]! * block + (i % block));
}

function moved({ axes }: Streams, orders: Orders, like: Tensor, name: string, data: Float64Array): Float64Array {
  const { rows, columns } = matrix(like);
  const orderOf = (axis: ChannelAxis["axis"]) => {
    const found = axes.find((a) => a.constant === name && a.axis === axis);
    return found && orders.get(found.stream);
  };
  const [from, across] = [sources(rows, orderOf("rows")), sources(columns, orderOf("columns"))];
  return data.map((_, i) => data[from[Math.floor(i / columns)]! * columns + across[i % columns]!]!);
}

function matrix({ shape, data }: Tensor) {
  const rows = shape[0]!;
  return { rows, columns: data.length / rows };
}
