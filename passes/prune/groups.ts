import type { GroupKind, WeightGroup } from "../../src/ir/weight-groups.ts";
import { summedCount } from "../../src/packing/layer-plan.ts";
import { spread } from "../../src/packing/positions.ts";
import { removables, weightsOf } from "../../src/packing/support.ts";
import { idle, type Layout } from "../../src/scheme/layout.ts";
import { coefficientsOf, type LayerWeight, matrixOf } from "./layer-weights.ts";
import { areWeights, partsOf, removedBy, type SupportedLayer, type SupportMap } from "./support-map.ts";

/** Weights of one layer that go together; of several tensors where the layer is a sum. */
export interface LayerGroup {
  readonly label: string;
  /** As coefficients of the layer, ascending. */
  readonly coefficients: Int32Array;
}

/** The groups of one layer; none for `unstructured`, where every weight is its own. */
export function groupsOf(layer: SupportedLayer, kind: GroupKind, slots: number): LayerGroup[] {
  const ofTensor = (tensorGroups: (weight: LayerWeight) => readonly TensorGroup[]) =>
    layer.weights.flatMap((weight) =>
      tensorGroups(weight).map(({ label, indices }) => ({ label, coefficients: coefficientsOf(weight, indices) })),
    );
  switch (kind) {
    case "positional":
      return ofTensor(tapsOf);
    case "diagonal":
      return ofTensor((weight) => diagonalsOf(weight, layer));
    case "channel":
      return ofTensor(channelsOf);
    case "aligned":
      return alignedIn(layer, slots);
    case "unstructured":
      return [];
  }
}

/** What each baby and giant step is for, but for what is the whole layer; of steps that are for the same, the first. */
function alignedIn(layer: SupportedLayer, slots: number): LayerGroup[] {
  const { support } = layer;
  const whole = new Set(support.weights).size;
  const seen = new Set<string>();
  return removables(support, slots).flatMap(({ kind, label, pieces }) => {
    const key = [...new Set(pieces.map((piece) => support.lists[piece]))].join();
    if ((kind !== "baby" && kind !== "giant") || seen.has(key)) return [];
    seen.add(key);
    const coefficients = weightsOf(support, pieces);
    return coefficients.length < whole && areWeights(layer, coefficients) ? [{ label, coefficients }] : [];
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
    groupsOf(layer, kind, map.slots).flatMap(({ label, coefficients }) => {
      const own = new Map([[layer.node.id, coefficients]]);
      const removes = removedBy(map, own);
      return partsOf(map, own).map((part) => ({
        ...part,
        kind,
        label,
        removes: shareOf(removes, part.indices.length / coefficients.length),
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
