import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { LinearMap } from "../src/base/linear-map.ts";
import { evaluateAll } from "../src/ir/evaluate.ts";
import { type Graph, inputNodes, type Node } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import { verify } from "../src/ir/verify.ts";
import { opNamed, ops } from "../src/ops/index.ts";
import { allLayers, type LayerName, networks } from "./arbitrary.ts";

const linearLayers = allLayers.filter((name) => {
  const op = opNamed(name)!;
  return op.family === "network" && op.linear !== undefined;
});

it("random networks have every layer that can be computed on encrypted values", () => {
  const computable = Object.entries(ops).flatMap(([name, op]) =>
    op.family === "network" && !("notEncrypted" in op) ? [name] : [],
  );
  const made = ["constant", "relayout", "drop_level"]; // by passes, or as operands
  expect(computable.filter((name) => !made.includes(name)).toSorted()).toEqual([...allLayers]);
});

/** A node's value by its terms. Checks that a row has each term once and names elements and coefficients that exist. */
function byTerms(graph: Graph, node: Node, dataOf: (n: Node) => Float64Array): Float64Array | undefined {
  const layer = linearLayer(graph, node);
  if (layer === undefined) return undefined;
  const { map, coefficients, bias, operands } = layer;
  if (map.kernels !== undefined) expect(termsByKernels(map)).toEqual(termsByRows(map));
  expect(map.inputSizes).toEqual(operands.map((id) => dataOf(graph.nodes[id]!).length));
  const result = new Float64Array(map.outputSize);
  for (let row = 0; row < map.outputSize; row++) {
    const seen = new Set<string>();
    let sum = bias === undefined ? 0 : bias[row]!;
    map.forRow(row, (input, column, coefficient) => {
      const key = `${input} ${column}`;
      if (seen.has(key)) throw new Error(`row ${row} of ${node.op} has the term ${key} twice`);
      seen.add(key);
      sum += coefficients[coefficient]! * dataOf(graph.nodes[operands[input]!]!)[column]!;
    });
    result[row] = sum;
  }
  return result;
}

function termsByRows(map: LinearMap): string[] {
  const terms: string[] = [];
  for (let row = 0; row < map.outputSize; row++) map.forRow(row, (...term) => terms.push([row, ...term].join(" ")));
  return terms.sort();
}

function termsByKernels(map: LinearMap): string[] {
  const terms: string[] = [];
  for (const { input, groups, outputs, perGroup, rows, columns, taps, weights } of map.kernels!()) {
    for (let o = 0; o < outputs; o++) {
      const first = Math.floor(o / (outputs / groups)) * perGroup;
      for (let i = 0; i < perGroup; i++) {
        for (const tap of taps) {
          const weight = weights.first + o * weights.perOutput + i * weights.perChannel + tap.weight;
          for (let k = 0; k < tap.pairs.length; k += 2)
            terms.push([o * rows + tap.pairs[k]!, input, (first + i) * columns + tap.pairs[k + 1]!, weight].join(" "));
        }
      }
    }
  }
  return terms.sort();
}

it.for(linearLayers)("the terms of %s add up to its reference value", (name) => {
  const companions: LayerName[] = ["input", "reshape", name];
  let checked = 0;
  fc.assert(
    fc.property(networks({ layers: [...new Set(companions)], maxDepth: 3, maxElements: 200 }), ({ graph, inputs }) => {
      expect(verify(graph)).toBeUndefined();
      const values = evaluateAll(graph, inputs);
      for (const node of graph.nodes) {
        if (node.op === "constant" || inputNodes(graph, node).length === 0) continue;
        const terms = byTerms(graph, node, (n) => values.get(n.id)!.data);
        if (terms === undefined) continue;
        const value = values.get(node.id)!.data;
        expect(terms.length).toBe(value.length);
        for (const [i, v] of value.entries())
          expect(Math.abs(terms[i]! - v)).toBeLessThan(1e-12 * Math.max(1, Math.abs(v)));
        if (node.op === name) checked++;
      }
    }),
    { numRuns: 150 },
  );
  expect(checked).toBeGreaterThan(20);
});
