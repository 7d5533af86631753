import type { DeepExample } from "../examples/deep-weights.ts";
import type { ExampleName } from "../examples/models.ts";
import type { AttrRecord } from "../src/ops/attributes.ts";

export interface BenchNetwork {
  readonly name: ExampleName | DeepExample;
  /** Numbers of slots to count operations for. */
  readonly slots: readonly number[];
  /** Whether there is a secure ring for it, so that times can be measured. */
  readonly runs: boolean;
  /**
   * Rotations by number of slots that the packing of Orion (multiplexed, single-shot, with the best power-of-two split into
   * baby and giant steps) takes for the same network, recomputed from its published algorithm.
   */
  readonly orion: { readonly [slots: number]: number };
}

const allSlots = [4096, 8192, 16384, 32768] as const;

export const networks: readonly BenchNetwork[] = [
  { name: "digits", slots: [], runs: true, orion: {} },
  { name: "mlp", slots: allSlots, runs: true, orion: { 4096: 77, 8192: 79 } },
  { name: "lola", slots: allSlots, runs: true, orion: { 4096: 57, 8192: 59 } },
  { name: "lenet", slots: allSlots, runs: true, orion: { 4096: 387, 8192: 279 } },
  { name: "resnet20", slots: allSlots, runs: false, orion: { 32768: 852 } },
  { name: "vgg16", slots: allSlots, runs: false, orion: { 32768: 1774 } },
  { name: "alexnet", slots: allSlots, runs: false, orion: { 32768: 1179 } },
];

/** A way to compile, by options of passes. */
export interface Variant {
  readonly name: string;
  /** Ends the sentence "it is the number of rotations ...". */
  readonly about: string;
  readonly passOptions: ReadonlyMap<string, AttrRecord>;
}

const plainPacking = { mixing: false, complex: false, windows: false, client: false };

/** What is compared in one run: the compiler as it is first, then with parts of it switched off. */
export const variants: readonly [Variant, ...Variant[]] = [
  { name: "sealwright", about: "of the compiler as it is", passOptions: new Map() },
  {
    name: "plain",
    about: "without mixing, complex slots, windows and layouts made for a layer: periodic baby-step giant-step packing",
    passOptions: new Map([["pack", plainPacking]]),
  },
];
