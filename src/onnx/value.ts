import { elementCount, lazyTensor, type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import type { NodeId } from "../ir/graph.ts";
import type { ElementType } from "./model.ts";

/** What a name of an ONNX graph stands for: numbers known when compiling, or an encrypted value. */
export type Value = Known | Encrypted;

export interface Known {
  readonly known: true;
  readonly type: ElementType;
  /** Its shape is the value's shape. */
  readonly tensor: Tensor;
  readonly shape: Shape;
  /** The name it has as a constant of the network. */
  readonly name: string;
  /** Worked out here, so that its numbers lie in memory and may be none that are finite. */
  readonly folded?: true;
}

export interface Encrypted {
  readonly known: false;
  readonly type: ElementType;
  /** The shape in ONNX, batch dimension and all. */
  readonly shape: Shape;
  /** A layer with the same elements in row-major order, perhaps under another shape. */
  readonly node: NodeId;
}

export function known(type: ElementType, tensor: Tensor, name: string): Known {
  return { known: true, type, tensor, shape: tensor.shape, name };
}

/** The same elements in row-major order under another shape; costs nothing. */
export function viewed<V extends Value>(value: V, shape: Shape): V {
  if (sameShape(value.shape, shape)) return value;
  if (!value.known) return { ...value, shape };
  const { tensor } = value;
  return { ...value, shape, tensor: lazyTensor(shape, () => tensor.data, tensor.fill) };
}

/** The shape two operands have together by ONNX's (numpy's) rule; undefined where they do not fit. */
export function broadcastShape(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const sizes = Array.from({ length: rank }, (_, d) => [a[d - rank + a.length] ?? 1, b[d - rank + b.length] ?? 1]);
  if (sizes.some(([x, y]) => x !== y && x !== 1 && y !== 1)) return undefined;
  return sizes.map(([x, y]) => (x === 1 ? y! : x!));
}

/** `shape` behind as many sizes of 1 as it takes to have this rank. */
export function ofRank(shape: Shape, rank: number): Shape {
  return [...new Array<number>(rank - shape.length).fill(1), ...shape];
}

/** For each element of `to` in row-major order, which element of a value of shape `from` it repeats (numpy's rule). */
export function broadcastIndex(from: Shape, to: Shape): (at: number) => number {
  const sizes = ofRank(from, to.length);
  const steps = sizes.map((size, d) => (size === 1 ? 0 : elementCount(sizes.slice(d + 1))));
  return (at) => {
    let rest = at;
    let index = 0;
    for (let d = to.length - 1; d >= 0; d--) {
      index += (rest % to[d]!) * steps[d]!;
      rest = Math.floor(rest / to[d]!);
    }
    return index;
  };
}
