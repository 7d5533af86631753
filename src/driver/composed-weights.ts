import { type LayerWeight, layerWeights } from "../../passes/prune/layer-weights.ts";
import { soleUser } from "../ir/analysis.ts";
import { type Graph, type Node, nodeAt, usersOf } from "../ir/graph.ts";
import { type LinearLayer, linearLayer } from "../ir/linear.ts";
import type { NumberParts, WeightSource } from "../ir/weight-groups.ts";
import { type Sparse, sparseProduct } from "./sparse-map.ts";

/** Linear layers of a model in a row, one of which has a weight tensor that may become zero. */
export interface LayerChain {
  readonly source: WeightSource;
  readonly layer: LinearLayer;
  /** The layers that its operand comes through, the nearest first, and those that read its result, the nearest first. */
  readonly before: readonly LinearLayer[];
  readonly after: readonly LinearLayer[];
  readonly names: readonly string[];
}

/** Layers looked through on each side of a layer with weights. */
const mostLayers = 8;

/**
 * What the compiler may have made one layer of: each layer of a model that has weights, with linear layers before it and after it, all
 * runs of them. What comes after may have no other reader.
 */
export function layerChains(graph: Graph): LayerChain[] {
  const users = usersOf(graph);
  const layers = new Map<Node, LinearLayer | undefined>();
  const layerOf = (node: Node): LinearLayer | undefined => {
    if (!layers.has(node)) layers.set(node, linearLayer(graph, node));
    const layer = layers.get(node);
    return layer?.operands.length === 1 ? layer : undefined;
  };
  const run = (start: Node, next: (node: Node) => Node | undefined): Node[] => {
    const found: Node[] = [];
    for (let node = next(start); node !== undefined && found.length < mostLayers; node = next(node)) {
      if (layerOf(node) === undefined) break;
      found.push(node);
    }
    return found;
  };
  return graph.nodes.flatMap((node) => {
    // A network as it was written has no sums of layers.
    const [weight, other] = layerWeights(graph, node);
    const layer = weight && layerOf(node);
    if (layer === undefined || other !== undefined) return [];
    const before = run(node, (n) => nodeAt(graph, layerOf(n)!.operands[0]!));
    const after = run(node, (n) => soleUser(graph, n.id, users));
    const prefixes = (nodes: readonly Node[]) => Array.from({ length: nodes.length + 1 }, (_, k) => nodes.slice(0, k));
    return prefixes(before).flatMap((above) =>
      prefixes(after).map((below) => ({
        source: weight!.source,
        layer,
        before: above.map((n) => layerOf(n)!),
        after: below.map((n) => layerOf(n)!),
        names: [node, ...above, ...below].map((n) => n.name),
      })),
    );
  });
}

/** What a chain computes as one layer, by the numbers of that layer's weights. */
export interface ComposedNumbers {
  readonly data: Float64Array;
  readonly parts: NumberParts;
}

/** Where a layer of a compiled network uses each number of one of its weight tensors: one row for each, by rows. */
export interface NumberPlaces {
  readonly inputSize: number;
  readonly outputSize: number;
  readonly count: number;
  /** The numbers that have a place; 0 elsewhere. */
  readonly data: Float64Array;
  /** Rows with all their columns and, of each, the number that stands there, or `elsewhere`. */
  readonly rows: readonly { readonly row: number; readonly columns: Int32Array; readonly numbers: Int32Array }[];
}

/** Most pairs of a number and one it is made of: half a gigabyte. */
const mostParts = 2 ** 25;
/** A number that an earlier row has shown. */
const elsewhere = -1;
/** A column that a row does not read. */
const unread = -2;

/** One place for each number of a layer's weights; numbers that only ever meet padding have none. */
export function numberPlaces({ map }: Pick<LinearLayer, "map">, weight: LayerWeight): NumberPlaces {
  const { constant, stride, first, operand } = weight;
  const { shape, data } = constant.attrs.data;
  const outputs = Math.max(1, shape[0]!);
  const pixels = Math.max(1, Math.floor(map.outputSize / outputs));
  const seen = new Uint8Array(data.length);
  const rows: { row: number; columns: Int32Array; numbers: Int32Array }[] = [];
  let open = data.length;
  // In the middle of an image all taps of a kernel lie inside it, so most often that one pixel of each channel will do.
  const width = Math.round(Math.sqrt(pixels));
  const middle = Math.floor(pixels / width / 2) * width + Math.floor(width / 2);
  for (let p = 0; p < pixels && open > 0; p++) {
    const pixel = (middle + p) % pixels;
    for (let o = 0; o < outputs; o++) {
      const row = o * pixels + pixel;
      const columns: number[] = [];
      const numbers: number[] = [];
      const before = open;
      map.forRow(row, (input, column, coefficient) => {
        if (input !== operand || coefficient % stride !== first) return;
        const number = (coefficient - first) / stride;
        columns.push(column);
        numbers.push(seen[number] === 1 ? elsewhere : number);
        if (seen[number] === 0) open--;
        seen[number] = 1;
      });
      if (open < before) rows.push({ row, columns: Int32Array.from(columns), numbers: Int32Array.from(numbers) });
    }
  }
  const placed = open === 0 ? data : data.map((w, i) => (seen[i] === 1 ? w : 0));
  return { inputSize: map.inputSizes[operand]!, outputSize: map.outputSize, count: data.length, data: placed, rows };
}

/**
 * The numbers of one layer that does what a chain does, each with the numbers of the chain's weight tensor that it is made of.
 * Undefined where the chain is between values of other sizes, reads more than the layer, or is too large to look through.
 */
export function composedNumbers(chain: LayerChain, places: NumberPlaces): ComposedNumbers | undefined {
  const { before, after, layer, source } = chain;
  const [top, bottom] = [before.at(-1) ?? layer, after.at(-1) ?? layer];
  if (top.map.inputSizes[0] !== places.inputSize || bottom.map.outputSize !== places.outputSize) return undefined;
  const above = sparseProduct(before);
  const below = sparseProduct([...after].reverse());
  if (above === "too large" || below === "too large") return undefined;
  const { data: weights } = source.tensor;
  const data = new Float64Array(places.count);
  const [made, madeOf]: [number[], number[]] = [[], []];
  const numberAt = new Int32Array(places.inputSize).fill(unread);
  let readsMore = false;
  for (const { row, columns, numbers } of places.rows) {
    for (const [i, column] of columns.entries()) numberAt[column] = numbers[i]!;
    eachOf(below, row, (middle, factor) =>
      layer.map.forRow(middle, (_, inner, index) => {
        const w = weights[index]! * factor;
        if (w === 0) return;
        eachOf(above, inner, (column, share) => {
          const number = numberAt[column]!;
          if (number === unread) readsMore = true;
          if (number < 0) return;
          data[number]! += w * share;
          made.push(number);
          madeOf.push(index);
        });
      }),
    );
    for (const column of columns) numberAt[column] = unread;
    if (readsMore || made.length > mostParts) return undefined;
  }
  return { data, parts: partsFrom(places.count, made, madeOf) };
}

function eachOf(sparse: Sparse | undefined, row: number, visit: (column: number, factor: number) => void): void {
  if (sparse === undefined) {
    visit(row, 1);
    return;
  }
  const { starts, columns, factors } = sparse;
  for (let at = starts[row]!; at < starts[row + 1]!; at++) visit(columns[at]!, factors[at]!);
}

/** Pairs of a number and one it is made of, by numbers, each pair once. */
function partsFrom(count: number, made: readonly number[], madeOf: readonly number[]): NumberParts {
  const from = new Int32Array(count + 1);
  for (const number of made) from[number + 1]!++;
  for (let i = 0; i < count; i++) from[i + 1]! += from[i]!;
  const next = from.slice();
  const all = new Int32Array(made.length);
  for (let i = 0; i < made.length; i++) all[next[made[i]!]!++] = madeOf[i]!;
  const starts = new Int32Array(count + 1);
  let length = 0;
  for (let i = 0; i < count; i++) {
    const own = all.slice(from[i]!, from[i + 1]!).sort();
    for (const [at, index] of own.entries()) if (at === 0 || index !== own[at - 1]) all[length++] = index;
    starts[i + 1] = length;
  }
  return { lists: Int32Array.from({ length: count }, (_, i) => i), starts, indices: all.slice(0, length) };
}
