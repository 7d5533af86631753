import * as fc from "fast-check";
import { it } from "vitest";
import { networks } from "./arbitrary.ts";
import { lowered, packed } from "./lowered.ts";
it.for(["concat", "all"])("hunt", { timeout: 600_000 }, (kind) => {
  const layers = kind === "concat" ? { layers: ["concat", "conv2d", "input", "dense", "flatten", "square", "reshape", "slice", "pad", "mean", "transpose"] as const } : {};
  fc.assert(fc.property(networks({ maxElements: 3000, maxDepth: 5, maxLayers: 8, sideFactor: 3, ...layers }), ({ graph }) => {
    lowered(packed(graph, 1024), 1024);
  }), { numRuns: 20000, interruptAfterTimeLimit: 270_000 });
});
