import * as fc from "fast-check";
import { expect, it } from "vitest";
import { pack } from "../passes/pack.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { annotationOf, type Graph, type Node, nodeAt } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import { neededDifferences } from "../src/packing/differences.ts";
import { gridOf } from "../src/packing/kernel-differences.ts";
import { readLayerPlan } from "../src/packing/layer-plan.ts";
import { positionsOf, type Spread, spread } from "../src/packing/positions.ts";
import { ringsOf } from "../src/packing/rings.ts";
import { isSpectral } from "../src/packing/spectral-weights.ts";
import { usedPieces } from "../src/packing/used-pieces.ts";
import { digit, layoutOf } from "../src/scheme/layout.ts";
import { networks } from "./arbitrary.ts";

/** A layer as it was packed, with about one weight in `sparse` left. */
function packedLayer(graph: Graph, node: Node, sparse: number) {
  const annotation = annotationOf(node, "plan");
  const layer = linearLayer(graph, node);
  const plan = annotation && readLayerPlan(annotation.named);
  if (layer?.map.kernels === undefined || plan === undefined || isSpectral(plan)) return undefined;
  const spreadOf = (n: Node) => ("layout" in n.type ? spread(n.type.layout) : undefined);
  const [to, ...from] = [node, ...layer.operands.map((id) => nodeAt(graph, id))].map(spreadOf) as [Spread, ...Spread[]];
  const coefficients = layer.coefficients.map((w, i) => ((i * 5) % sparse === 0 ? w : 0));
  return { map: layer.map, coefficients, from, to, plan };
}

it("what kernels say of a layer is what its rows say", () => {
  const found = { layers: 0, pieces: 0, unique: 0 };
  const layers = ["input", "conv2d", "dense", "avg_pool", "add", "multiply", "flatten", "square"] as const;
  fc.assert(
    fc.property(
      networks({ layers: [...layers], maxDepth: 6, maxElements: 300 }),
      fc.constantFrom(1024, 2048),
      fc.constantFrom(1, 1, 3, 17),
      ({ graph }, degree, sparse) => {
        const packed = pack.run(graph, { settings: { ...defaultSettings, degree }, diagnostics: new Diagnostics() });
        for (const node of packed.nodes) {
          const layer = packedLayer(packed, node, sparse);
          if (layer === undefined) continue;
          found.layers++;
          const { map, coefficients, from, to, plan } = layer;
          const byRows = { ...map, kernels: undefined };
          const pieces = usedPieces(map, coefficients, from, to, plan);
          expect(pieces).toEqual(usedPieces(byRows, coefficients, from, to, plan));
          if (pieces.length > 1) found.pieces++;
          const rings = ringsOf(plan, from, to)!;
          const needed = neededDifferences(map, coefficients, from, to, rings, plan.folds);
          for (const [i, own] of neededDifferences(byRows, coefficients, from, to, rings, plan.folds).entries()) {
            // Of copies that serve as many weights each, either may be taken.
            const { start } = positionsOf(from[i]!, map.inputSizes[i]!, from[i]!.period);
            if (!start.every((at, e) => at === e)) continue;
            found.unique++;
            expect(needed[i]).toEqual(own);
          }
        }
      },
    ),
    { numRuns: 150 },
  );
  for (const count of Object.values(found)) expect(count).toBeGreaterThan(50);
});

it("places are a grid where every channel has its pixels and copies in the same order", () => {
  const grid = (layout: Parameters<typeof spread>[0], pixels: number) =>
    gridOf(positionsOf(spread(layout), layout.dims[0]!.size, layout.slots), pixels, layout.slots);
  const plain = layoutOf(64, 1, [32], [digit(0, 4, 1), digit(0, 8, 4, 4), digit("copy", 2, 32)]);
  expect(grid(plain, 4)).toEqual({
    channels: Int32Array.of(0, 4, 8, 12, 16, 20, 24, 28),
    pixels: Int32Array.of(0, 1, 2, 3),
    copies: Int32Array.of(0, 32),
  });
  // The second channel has one copy more.
  expect(gridOf({ start: Int32Array.of(0, 1, 3), list: Int32Array.of(0, 1, 5) }, 1, 8)).toBeUndefined();
  // Pixels that lie in several ciphertexts are no grid.
  const wide = layoutOf(4, 2, [8], [digit(0, 4, 1), digit(0, 2, 4, 4)]);
  expect(grid(wide, 8)).toBeUndefined();
  expect(grid(wide, 4)?.channels).toEqual(Int32Array.of(0, 4));
});
