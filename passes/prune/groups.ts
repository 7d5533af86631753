import type { GroupKind, WeightGroup } from "../../src/ir/weight-groups.ts";
import { summedCount } from "../../src/packing/layer-plan.ts";
import { spread } from "../../src/packing/positions.ts";
import { isSpectral } from "../../src/packing/spectral-weights.ts";
import { type Removable, removables, weightsOf } from "../../src/packing/support.ts";
import { idle, type Layout } from "../../src/scheme/layout.ts";
import { indicesOf, type LayerWeight, matrixOf, numbersOf } from "./layer-weights.ts";
import { areWeights, partsOf, removedBy, type SupportedLayer, type SupportMap } from "./support-map.ts";

/** Weights of one layer that go together; of several tensors where the layer is a sum. */
export interface LayerGroup {
  readonly label: string;
  /** Numbers (layer-weights.ts) of the layer, ascending. */
  readonly numbers: Int32Array;
}

/**
 * The groups of one layer; none for `unstructured`, where every weight is its own. Of a layer that was composed of several, a
 * group has every number of the model that what it stands for is made of; those that take all of a tensor are left out.
 */
export function groupsOf(layer: SupportedLayer, kind: GroupKind, slots: number): readonly LayerGroup[] {
  const ofTensor = (tensorGroups: (weight: LayerWeight) => readonly TensorGroup[]) =>
    layer.weights.flatMap((weight) => {
      const groups = tensorGroups(weight).map(({ label, indices }) => ({ label, numbers: numbersOf(weight, indices) }));
      return weight.source.parts === undefined ? groups : useful(groups, layer);
    });
  switch (kind) {
    case "positional":
      return ofTensor(tapsOf);
    case "diagonal":
      return ofTensor((weight) => diagonalsOf(weight, layer));
    case "channel":
      return ofTensor(channelsOf);
    case "aligned":
      return useful(alignedIn(layer, slots), layer);
    case "unstructured":
      return [];
  }
}

/** Where numbers of a model are parts of several: of groups of the same numbers the first, and none that takes all of a tensor. */
function useful(groups: readonly LayerGroup[], { weights }: SupportedLayer): readonly LayerGroup[] {
  const composed = weights.filter(({ source }) => source.parts !== undefined);
  if (composed.length === 0) return groups;
  const sizes = composed.map(({ source }) => source.tensor.data.reduce((n, w) => (w === 0 ? n : n + 1), 0));
  const seen = new Map<number, Int32Array[]>();
  return groups.filter(({ numbers }) => {
    const sum = numbers.reduce((total, number) => (31 * total + number) | 0, 0);
    const alike = seen.get(sum) ?? [];
    if (numbers.length === 0 || alike.some((other) => isSame(other, numbers))) return false;
    seen.set(sum, [...alike, numbers]);
    return composed.every((weight, i) => indicesOf(weight, numbers).length < sizes[i]!);
  });
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}

/**
 * What each baby and giant step is for, but for what is the whole layer; of steps that are for the same, the first. On coefficients all
 * steps of a ciphertext are for the same, and what else is paid for are the products between two ciphertexts.
 */
function alignedIn(layer: SupportedLayer, slots: number): readonly LayerGroup[] {
  const { support, planned } = layer;
  const onCoefficients = isSpectral(planned.plan);
  const kinds: readonly Removable["kind"][] = onCoefficients ? ["operand", "result", "product"] : ["baby", "giant"];
  const whole = new Set(support.weights).size;
  const seen = new Set<string>();
  return removables(support, slots, onCoefficients).flatMap(({ kind, label, pieces }) => {
    const key = [...new Set(pieces.map((piece) => support.lists[piece]))].join();
    if (!kinds.includes(kind) || seen.has(key)) return [];
    seen.add(key);
    const numbers = weightsOf(support, pieces);
    return numbers.length < whole && areWeights(layer, numbers) ? [{ label, numbers }] : [];
  });
}

/** Some numbers of a weight tensor. */
interface TensorGroup {
  readonly label: string;
  readonly indices: Int32Array;
}

/** Kernel taps, each over all channels; a dense layer and a kernel of one tap have none. */
function tapsOf({ constant }: LayerWeight): TensorGroup[] {
  const { shape, data } = constant.attrs.data;
  const [height = 1, width = 1] = shape.slice(2);
  const taps = height * width;
  if (taps < 2) return [];
  return Array.from({ length: taps }, (_, tap) => ({
    label: `tap ${Math.floor(tap / width)},${tap % width}`,
    indices: Int32Array.from({ length: data.length / taps }, (_, k) => k * taps + tap),
  }));
}

/** Output channels. */
function channelsOf({ constant }: LayerWeight): TensorGroup[] {
  const { rows, columns } = matrixOf(constant.attrs.data);
  return Array.from({ length: rows }, (_, o) => ({
    label: `channel ${o}`,
    indices: Int32Array.from({ length: columns }, (_, k) => o * columns + k),
  }));
}

/**
 * Cyclic channel diagonals of each ciphertext of the result: all weights from input channel `i` to output channel `o` with
 * `(o - i) mod count` alike, over all taps, the groups of Jeon, Erez and Orshansky (Artemis, arXiv 2310.01664; seeds.md,
 * section 2). `count` is how many channels a ciphertext holds, to a power of two. Ciphertexts that are parts of one sum go
 * together.
 */
function diagonalsOf(weight: LayerWeight, { planned, to }: SupportedLayer): TensorGroup[] {
  const { shape } = weight.constant.attrs.data;
  const [outputs, inputs] = shape as [number, number];
  const taps = shape.slice(2).reduce((product, d) => product * d, 1);
  const results = channelsByCiphertext(to, outputs);
  const operands = channelsByCiphertext(planned.layouts[weight.operand]!, inputs * weight.groups);
  const count = 2 ** Math.ceil(Math.log2(Math.max(1, ...[...results, ...operands].map((channels) => channels.size))));
  const sums = summedCount(planned.plan, to);
  return Array.from({ length: sums }, (_, sum) => {
    const channels = new Set(results.flatMap((own, c) => (c % sums === sum ? [...own] : [])));
    const diagonals = Array.from({ length: count }, (): number[] => []);
    for (const o of [...channels].sort((a, b) => a - b)) {
      const firstInput = Math.floor((o * weight.groups) / outputs) * inputs;
      for (let i = 0; i < inputs; i++) {
        const k = (((o - firstInput - i) % count) + count) % count;
        for (let tap = 0; tap < taps; tap++) diagonals[k]!.push((o * inputs + i) * taps + tap);
      }
    }
    return diagonals.flatMap((indices, k) => {
      const label = `diagonal ${k} of ciphertext ${sum}`;
      return indices.length === 0 ? [] : [{ label, indices: Int32Array.from(indices) }];
    });
  }).flat();
}

/** The channels in each ciphertext of a value that has so many. */
function channelsByCiphertext(layout: Layout, channels: number): Set<number>[] {
  const { elements } = spread(layout);
  const perChannel = layout.dims.reduce((product, d) => product * d.size, 1) / channels;
  const perCiphertext = elements.length / layout.ciphertexts;
  return Array.from({ length: layout.ciphertexts }, (_, c) => {
    const own = elements.subarray(c * perCiphertext, (c + 1) * perCiphertext);
    return new Set(
      Array.from(
        own.filter((e) => e !== idle),
        (e) => Math.floor(e / perChannel),
      ),
    );
  });
}

/** All groups of a kind, each with what it removes from the plans as they are; of sums of layers, a tensor's share of it. */
export function weightGroups(map: SupportMap, kind: GroupKind): WeightGroup[] {
  return [...map.layers.values()].flatMap((layer) =>
    groupsOf(layer, kind, map.slots).flatMap(({ label, numbers }) => {
      const own = new Map([[layer.node.id, numbers]]);
      const removes = removedBy(map, own);
      return partsOf(map, own).map((part) => ({
        ...part,
        kind,
        label,
        removes: shareOf(removes, part.indices.length / numbers.length),
      }));
    }),
  );
}

function shareOf(removes: WeightGroup["removes"], share: number): WeightGroup["removes"] {
  if (share === 1) return removes;
  const { rotations, products, keys, ciphertexts, milliseconds } = removes;
  return {
    rotations: rotations * share,
    products: products * share,
    keys: keys * share,
    ciphertexts: ciphertexts * share,
    milliseconds: milliseconds * share,
  };
}
