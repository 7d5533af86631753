import { Random } from "../src/base/random.ts";
import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { Net, randomTensor } from "./ops-builder.ts";

/** Stages of residual blocks with ReLU, the image halved from stage to stage. */
export function residual(channels: readonly number[], blocks: number, size = 8): Graph {
  const net = new Net();
  let [x, last] = [net.input([2, size, size]), 2];
  const scaled = (shape: readonly number[]) => {
    const { data } = randomTensor(shape, elementCount(shape) + shape[0]!);
    const factor = 1.5 / Math.sqrt(shape[1]! * shape[2]! * shape[3]!);
    return net.constant(
      shape,
      Array.from(data, (v) => v * factor),
    );
  };
  for (const [stage, own] of channels.entries()) {
    for (let i = 0; i < blocks; i++) {
      const first = i === 0;
      const stride = first && stage > 0 ? 2 : 1;
      const one = { pad: [1, 1, 1, 1], stride: [stride, stride] };
      const c = net.op("conv2d", [x, scaled([own, last, 3, 3]), net.constant([own])], one);
      const d = net.op("conv2d", [net.op("relu", [c]), scaled([own, own, 3, 3])], { pad: [1, 1, 1, 1] });
      const skip = first ? net.op("conv2d", [x, scaled([own, last, 1, 1])], { stride: [stride, stride] }) : x;
      x = net.op("relu", [net.op("add", [d, skip])]);
      last = own;
    }
  }
  return net.graph(net.op("dense", [net.op("global_avg_pool", [x]), net.constant([5, last])].map(flat)));

  function flat(id: NodeId, i: number): NodeId {
    return i === 0 ? net.op("flatten", [id]) : id;
  }
}

/** Images of two channels, or vectors, that differ from one another as a whole too, as pictures do. */
export function drawn(count: number, shape: Shape, seed: number): ReadonlyMap<string, Tensor>[] {
  const random = new Random(seed);
  const one = () => {
    const level = random.normal() / 2;
    return Float64Array.from({ length: elementCount(shape) }, () => level + random.normal() / 3);
  };
  return Array.from({ length: count }, () => new Map([["x", { shape, data: one() }]]));
}
