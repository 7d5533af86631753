import { fail } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import { nodeWords, type OnnxModel, type OnnxNode } from "./model.ts";

/**
 * The nodes that the outputs depend on, each after those it uses. Fails where a value is defined twice or not at all, and
 * where values depend on themselves.
 */
export function sortedNodes(model: OnnxModel): OnnxNode[] {
  const makers = makersOf(model);
  const outside = new Set([...model.initializers.keys(), ...model.inputs.map((i) => i.name)]);
  const placeOf = (node: OnnxNode) => ({ path: model.path, part: nodeWords(node) });
  const undefinedValue = (name: string, place: { readonly path: string; readonly part?: string }): never =>
    fail("onnx-unknown-value", place, { name, meant: nearest(name, [...outside, ...makers.keys()]) });

  const sorted: OnnxNode[] = [];
  const state = new Map<OnnxNode, "open" | "done">();
  /** Nodes being visited, each with its next operand: a chain of nodes may be longer than the stack is deep. */
  const path: { readonly node: OnnxNode; next: number }[] = [];
  const enter = (node: OnnxNode) => {
    state.set(node, "open");
    path.push({ node, next: 0 });
  };
  for (const { name } of model.outputs) {
    const maker = makers.get(name);
    if (maker === undefined && !outside.has(name)) undefinedValue(name, { path: model.path, part: `output '${name}'` });
    if (maker === undefined || state.has(maker)) continue;
    enter(maker);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const operand = top.node.inputs[top.next++];
      if (operand === undefined) {
        state.set(top.node, "done");
        sorted.push(top.node);
        path.pop();
        continue;
      }
      const source = makers.get(operand);
      if (source === undefined) {
        if (operand !== "" && !outside.has(operand)) undefinedValue(operand, placeOf(top.node));
      } else if (state.get(source) === "open") {
        const cycle = path.slice(path.findIndex((p) => p.node === source));
        const names = cycle.map((p) => p.node.outputs[0] ?? "").slice(0, 10);
        fail("onnx-cycle", placeOf(source), { names });
      } else if (!state.has(source)) enter(source);
    }
  }
  return sorted;
}

/** Which node makes each value. */
function makersOf(model: OnnxModel): ReadonlyMap<string, OnnxNode> {
  const makers = new Map<string, OnnxNode>();
  const inputs = new Set(model.inputs.map((i) => i.name));
  for (const node of model.nodes) {
    for (const name of node.outputs) {
      if (name === "") continue;
      const first = makers.get(name);
      const other = model.initializers.has(name)
        ? "an initializer"
        : inputs.has(name)
          ? "an input"
          : first === undefined
            ? undefined
            : nodeWords(first);
      if (other !== undefined) {
        const where = `${other} and ${nodeWords(node)}`;
        fail("onnx-duplicate", { path: model.path, part: nodeWords(node) }, { kind: "value", name, where });
      }
      makers.set(name, node);
    }
  }
  return makers;
}
