import { columnsShape, fromColumns } from "../base/circulant.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { annotationOf, type Graph, type NodeOf } from "../ir/graph.ts";
import type { Parameter } from "./tape.ts";

/** What is trained in place of a tensor of the network, which is made of it. */
export interface Form {
  readonly tensor: Parameter;
  readonly own: readonly Parameter[];
  /** Those of `own` whose numbers are weights: zeros of theirs stand for zeros of the tensor. */
  readonly weights: readonly Parameter[];
  /** Writes the tensor. */
  write(): void;
  /** Writes the slopes along what is trained, from those along the tensor. */
  collect(): void;
  /** The numbers of `weights` that are all zero just when the tensor is at `indices`, and at all places that are equal to one of these. */
  stored(indices: Int32Array): readonly Stored[];
  /** Changes numbers of `weights` as `change` does, which makes them smaller or zero: the same happens to the tensor, and elsewhere nothing. */
  press(change: () => void): void;
}

/** Some numbers of a parameter: flat, ascending, none twice. */
export interface Stored {
  readonly parameter: Parameter;
  readonly indices: Int32Array;
}

/**
 * The forms of tensors, in their order. A weight with `@circulant(block = b)` is trained as the first columns of its blocks, so that it
 * stays block-circulant; with `dirac`, a convolution with as many outputs as inputs as a Dirac convolution; others as they are.
 */
export function formsOf(graph: Graph, tensors: readonly Parameter[], dirac: boolean): Form[] {
  return tensors.map((tensor) => {
    const layer = graph.nodes.find((node) => graph.nodes[node.inputs[1]!]?.name === tensor.name);
    const block = layer && annotationOf(layer, "circulant")?.named.block;
    if (typeof block === "number" && block > 1) return circulantForm(tensor, block);
    if (dirac && layer?.op === "conv2d" && passesOn(layer, tensor.shape)) return diracForm(tensor);
    return plainForm(tensor);
  });
}

function plainForm(tensor: Parameter): Form {
  return {
    tensor,
    own: [tensor],
    weights: [tensor],
    write: () => {},
    collect: () => {},
    stored: (indices) => [{ parameter: tensor, indices }],
    press: (change) => change(),
  };
}

/** First columns, each number of which stands at several places: its slope is the sum over them. They begin as means. */
function circulantForm(tensor: Parameter, block: number): Form {
  const { name, shape, values, slopes } = tensor;
  const columns = made(`${name}.columns`, columnsShape(shape, block));
  const size = columns.values.count;
  const places = Int32Array.from(
    fromColumns(
      Float64Array.from({ length: size }, (_, i) => i),
      shape,
      block,
    ),
  );
  const counts = new Int32Array(size);
  for (const [at, place] of places.entries()) {
    columns.values.data[place]! += values.data[at]!;
    counts[place]!++;
  }
  for (let i = 0; i < size; i++) columns.values.data[i]! /= Math.max(1, counts[i]!);
  return {
    tensor,
    own: [columns],
    weights: [columns],
    write: () => {
      for (let i = 0; i < places.length; i++) values.data[i] = columns.values.data[places[i]!]!;
    },
    collect: () => {
      columns.slopes.data.fill(0);
      for (let i = 0; i < places.length; i++) columns.slopes.data[places[i]!]! += slopes.data[i]!;
    },
    stored: (indices) => {
      const used = new Set(Array.from(indices, (at) => places[at]!));
      return [{ parameter: columns, indices: Int32Array.from(used).sort() }];
    },
    press: (change) => change(),
  };
}

/** Whether a convolution can pass each channel on where it is. */
function passesOn({ attrs: { stride, pad, dilation, groups } }: NodeOf<"conv2d">, shape: Shape): boolean {
  const [outputs, inputs, ...kernel] = shape;
  const margins = kernel.map((size, d) => (dilation[d]! * (size - 1)) / 2);
  const centred = [...margins, ...margins].every((margin, side) => pad[side] === margin);
  return groups === 1 && outputs === inputs && stride.every((s) => s === 1) && centred;
}

/**
 * alpha Delta + beta V / |V| for each output channel, Delta having one tap in the middle (Zagoruyko and Komodakis, arXiv
 * 1706.00388, section 2). It begins as the weight it takes the place of: alpha is its middle tap, beta V / |V| the rest. V has no
 * middle tap of its own, so that each number of the tensor belongs to one that is trained, and is zero with it.
 *
 * The length of V means nothing. It is made that of beta when numbers are pressed, and beta follows: so those of V that are not pressed
 * keep what they stand for.
 */
function diracForm(tensor: Parameter): Form {
  const { name, shape, values, slopes } = tensor;
  const [channels, , height, width] = shape as readonly number[] as [number, number, number, number];
  const size = values.count / channels;
  const [alpha, beta] = ["alpha", "beta"].map((part) => made(`${name}.${part}`, [channels])) as [Parameter, Parameter];
  const direction = made(`${name}.direction`, shape);
  const tap = (o: number) => (o * channels + o) * height * width + Math.floor((height * width) / 2);
  const channelOf = new Map(Array.from({ length: channels }, (_, o) => [tap(o), o]));
  const lengthOf = (o: number) => Math.sqrt(dot(direction.values.data, direction.values.data, o * size, size));
  direction.values.data.set(values.data);
  for (let o = 0; o < channels; o++) {
    alpha.values.data[o] = values.data[tap(o)]!;
    direction.values.data[tap(o)] = 0;
    beta.values.data[o] = lengthOf(o);
  }
  return {
    tensor,
    own: [alpha, beta, direction],
    weights: [alpha, direction],
    write: () => {
      for (let o = 0; o < channels; o++) {
        const factor = beta.values.data[o]! / (lengthOf(o) || 1);
        for (let i = o * size; i < (o + 1) * size; i++) values.data[i] = factor * direction.values.data[i]!;
        values.data[tap(o)]! += alpha.values.data[o]!;
      }
    },
    collect: () => {
      for (let o = 0; o < channels; o++) {
        const length = lengthOf(o) || 1;
        const along = dot(slopes.data, direction.values.data, o * size, size) / length;
        alpha.slopes.data[o] = slopes.data[tap(o)]!;
        beta.slopes.data[o] = along;
        const factor = beta.values.data[o]! / length;
        for (let i = o * size; i < (o + 1) * size; i++)
          direction.slopes.data[i] = factor * (slopes.data[i]! - (along * direction.values.data[i]!) / length);
        direction.slopes.data[tap(o)] = 0;
      }
    },
    stored: (indices) => {
      const middle = Int32Array.from(indices, (at) => channelOf.get(at) ?? -1).filter((o) => o >= 0);
      const others = indices.filter((at) => !channelOf.has(at));
      const parts = [
        { parameter: alpha, indices: middle },
        { parameter: direction, indices: others },
      ];
      return parts.filter((part) => part.indices.length > 0);
    },
    press: (change) => {
      for (let o = 0; o < channels; o++) {
        const [length, wanted] = [lengthOf(o), Math.abs(beta.values.data[o]!)];
        if (length === 0 || wanted === 0) continue;
        for (let i = o * size; i < (o + 1) * size; i++) direction.values.data[i]! *= wanted / length;
      }
      change();
      // A factor of what is all zero stays: with 0 there, too, nothing could ever learn again.
      for (let o = 0; o < channels; o++)
        beta.values.data[o] = Math.sign(beta.values.data[o]!) * (lengthOf(o) || Math.abs(beta.values.data[o]!));
    },
  };
}

function dot(a: Float32Array, b: Float32Array, start: number, count: number): number {
  let sum = 0;
  for (let i = start; i < start + count; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Numbers beside the network's own, all zero. */
function made(name: string, shape: Shape): Parameter {
  const count = elementCount(shape);
  const block = () => ({ count, address: -1, data: new Float32Array(count) });
  return { name, shape, values: block(), slopes: block() };
}
