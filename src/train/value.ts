import type { Shape, Tensor } from "../base/tensor.ts";
import type { NodeOf } from "../ir/graph.ts";
import type { NetworkOpName } from "../ops/index.ts";
import type { Arena, Block } from "./arena.ts";

/** What a node of the network is for a batch of samples: sample behind sample, each in row-major order. */
export interface BatchValue {
  readonly name: string;
  readonly shape: Shape;
  /** Elements of one sample. */
  readonly size: number;
  /** The same for all samples, and there only once. */
  readonly constant: boolean;
  /** The numbers of a constant before any training. */
  readonly given?: Tensor;
  readonly values: Block;
  /** How fast the loss grows with each number; undefined where nobody asks. */
  readonly slopes: Block | undefined;
}

/** A layer as its rule sees it. Inputs that the layer leaves out are missing from the list. */
export interface TrainLayer<K extends NetworkOpName = NetworkOpName> {
  readonly node: NodeOf<K>;
  readonly inputs: readonly BatchValue[];
  readonly output: BatchValue;
  readonly arena: Arena;
}

/**
 * The two directions of a layer for the first `samples` of a batch. `forward` writes all values of the output. `backward` adds to
 * the slopes of the inputs what those of the output say.
 */
export interface Step {
  forward(samples: number): void;
  backward(samples: number): void;
}

export type Rule<K extends NetworkOpName = NetworkOpName> = (layer: TrainLayer<K>) => Step;
