/**
 * Writes the weights of the examples that are not trained, each beside its model: `npm run examples`, or
 * `npm run examples -- lenet vgg16` for some. The files are the same on every machine; they are not kept in the repository
 * because together they have 210 MB.
 */
import { writeFileSync } from "node:fs";
import type { Tensor } from "../src/base/tensor.ts";
import { writeSafetensors } from "../src/weights/safetensors.ts";
import { deepExamples, deepWeights } from "./deep-weights.ts";
import { drawnExamples, exampleWeights } from "./weights.ts";

const sources: readonly (readonly [string, () => ReadonlyMap<string, Tensor>])[] = [
  ...drawnExamples.map((name) => [name, () => exampleWeights(name)] as const),
  ...deepExamples.map((name) => [name, () => deepWeights(name)] as const),
];
const wanted = process.argv.slice(2);

for (const [name, draw] of sources) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const file = new URL(`${name}/${name}.safetensors`, import.meta.url);
  const weights = draw();
  writeFileSync(file, writeSafetensors(weights));
  const count = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  console.error(`examples/${name}/${name}.safetensors: ${count.toLocaleString("en-US")} numbers`);
}
