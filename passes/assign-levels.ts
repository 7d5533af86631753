import { isProblem } from "../src/base/diagnostic.ts";
import { annotationOf, type Graph, type Node, type NodeId, nodeAt, usersOf } from "../src/ir/graph.ts";
import { pathNotes } from "../src/ir/path-notes.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import type { LeveledType } from "../src/ops/value-type.ts";
import { chooseChain, largestScaleBits, leastHeadroomBits } from "../src/scheme/chain.ts";
import { scaleBitsFor } from "../src/scheme/error-model.ts";
import { fastPrimeBits } from "../src/scheme/ntt.ts";
import { bitsOfScale, canonicalScales } from "../src/scheme/parameters.ts";
import { definePass } from "./pass.ts";

/**
 * Gives every value a level and a scale, and the network its chain of primes.
 *
 * Levels are assigned from the outputs up, as low as the users of a value allow: rotations and products of a low level are
 * cheaper. Every level has one canonical scale (ckks.md, section 1), so values of one level can be added as they are.
 *
 * Needs packed types. A linear layer takes an operand of any higher level (switching down is free before a product);
 * where a sum or a square meets a higher value, a `drop_level` goes between, which costs a product.
 *
 * Before:  y: packed [10] in "..." = square(x)
 * After:   y: leveled [10] in "..." level 2 scale 40 = square(x)
 */
export const assignLevels = definePass({
  name: "assign-levels",
  doc: "Choose the chain of primes, and level and scale of every value.",
  /** Bits the last prime has above the scale: a sign, a margin, and log2 of the largest output. */
  defaults: { headroomBits: leastHeadroomBits as number },
  run(graph, { settings, diagnostics, options }) {
    const { security, degree } = settings;
    if (degree === undefined) {
      diagnostics.report("degree-needed", "nowhere", {});
      return graph;
    }
    const levels = levelsOf(graph);
    const { headroomBits } = options;
    const maxScaleBits = scaleBitsWorthwhile(degree, settings.precision, headroomBits);
    const request = { degree, levels: Math.max(0, ...levels.values()), headroomBits, maxScaleBits };
    const secure = chooseChain({ ...request, security });
    const scheme = isProblem(secure) && settings.insecure ? chooseChain({ ...request, security: 0 }) : secure;
    if (isProblem(scheme)) {
      diagnostics.reportProblem(scheme, "nowhere", deepestPath(graph, levels));
      return graph;
    }
    const scales = canonicalScales(scheme);
    const typeOf = (node: Node, level: number): LeveledType => {
      const { type } = node;
      if (type.kind !== "packed") throw new TypeError(`'${node.name}' is not packed`);
      return { kind: "leveled", shape: type.shape, layout: type.layout, level, scaleBits: bitsOfScale(scales[level]!) };
    };
    return rewrite(
      graph,
      (node, out, draft) => {
        const level = levels.get(node.id);
        if (level === undefined) return undefined;
        const wanted = operandLevel(node, level);
        const inputs = node.inputs.map((id, position) => {
          const have = levels.get(id);
          const input = draft.inputs[position]!;
          if (have === undefined || have === wanted || takesHigher(node)) return input;
          const source = nodeAt(graph, id);
          const name = `${node.name}.${source.name.split(".").at(-1)}`;
          return out.add({
            op: "drop_level",
            inputs: [input],
            attrs: {},
            name,
            span: node.span,
            type: typeOf(source, wanted),
          });
        });
        return out.add({ ...draft, inputs, type: typeOf(node, level) });
      },
      { scheme, keepTypes: true },
    );
  },
});

/** Bits above the asked precision's least scale that networks lose on the way. */
const lostBits = 10;

/** The largest scale, log2, worth having: one whose first prime still encodes fast, or more where the precision asks for it. */
function scaleBitsWorthwhile(degree: number, precision: number, headroomBits: number): number {
  const fast = fastPrimeBits - headroomBits;
  return Math.min(largestScaleBits, Math.max(fast, scaleBitsFor(degree, precision) + lostBits));
}

/** The level of every encrypted value: the lowest that its users allow. */
export function levelsOf(graph: Graph): ReadonlyMap<NodeId, number> {
  const users = usersOf(graph);
  const levels = new Map<NodeId, number>();
  for (const node of graph.nodes.toReversed()) {
    if (node.op === "constant") continue;
    const needs = users.get(node.id)!.map((user) => operandLevel(user, levels.get(user.id)!));
    levels.set(node.id, Math.max(0, ...needs));
  }
  return levels;
}

/** The level a node's operands are used at when its result is at `level`. */
function operandLevel(node: Node, level: number): number {
  return level + (usesLevel(node) ? 1 : 0);
}

/** Whether a node multiplies. */
function usesLevel(node: Node): boolean {
  return node.op === "square" || node.op === "multiply" || takesHigher(node);
}

/** A linear layer's product may start from a higher level and another scale: its weights are encoded to match. */
function takesHigher(node: Node): boolean {
  return annotationOf(node, "plan") !== undefined;
}

/** Notes that show the deepest path, layer by layer. */
function deepestPath(graph: Graph, levels: ReadonlyMap<NodeId, number>) {
  const path = graph.nodes.filter(
    (node) =>
      levels.has(node.id) && usesLevel(node) && node.inputs.some((id) => levels.get(id) === levels.get(node.id)! + 1),
  );
  return pathNotes(
    path.map((node) => {
      const level = levels.get(node.id)!;
      return { node, levels: 1, text: `'${node.name}' (${node.op}) takes level ${level + 1} to ${level}` };
    }),
  );
}
