import { sameShape, type Tensor } from "../src/base/tensor.ts";
import type { Graph } from "../src/ir/graph.ts";
import { shapeOf } from "../src/ops/value-type.ts";

/** Numbers in 0 .. 1 that depend on nothing but the seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A graph as text for people, one node per line. */
export function describe(graph: Graph): string {
  const lines = graph.nodes.map((n) => {
    const attrs = Object.entries(n.attrs).map(
      ([key, v]) => `${key} = ${isData(v) ? `[${shortened(v)}]` : JSON.stringify(v)}`,
    );
    const args = [...n.inputs.map((id) => graph.nodes[id]!.name), ...attrs].join(", ");
    return `  ${n.name}: [${shapeOf(n.type)?.join(", ")}] = ${n.op}(${args})`;
  });
  return `${lines.join("\n")}\n  outputs ${graph.outputs.map((o) => graph.nodes[o.node]!.name).join(", ")}`;
}

function isData(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "data" in value;
}

function shortened({ shape, data }: Tensor): string {
  return `${shape.join(" x ")}: ${[...data.slice(0, 8)].map((v) => Number(v.toPrecision(4))).join(", ")}${data.length > 8 ? ", ..." : ""}`;
}

/** The largest difference between two tensors, relative to the larger magnitude in them (at least 1). */
export function distance(a: Tensor, b: Tensor): number {
  if (!sameShape(a.shape, b.shape)) return Number.POSITIVE_INFINITY;
  const scale = a.data.reduce((m, v, i) => Math.max(m, Math.abs(v), Math.abs(b.data[i]!)), 1);
  return a.data.reduce((m, v, i) => Math.max(m, Math.abs(v - b.data[i]!)), 0) / scale;
}

/** The layers of a graph in order, without constants and inputs: what goldens of passes look at. */
export function layersOf(graph: Graph): string[] {
  return graph.nodes.filter((n) => n.op !== "constant" && n.op !== "input").map((n) => `${n.name}:${n.op}`);
}
