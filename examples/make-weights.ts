/**
 * Writes the weights of the examples that are not trained, each beside its model: `npm run examples`.
 * The files are the same on every machine; they are not kept in the repository because LeNet's has 6.6 MB.
 */
import { writeFileSync } from "node:fs";
import { writeSafetensors } from "../src/weights/safetensors.ts";
import { drawnExamples, exampleWeights } from "./weights.ts";

for (const name of drawnExamples) {
  const file = new URL(`${name}/${name}.safetensors`, import.meta.url);
  const weights = exampleWeights(name);
  writeFileSync(file, writeSafetensors(weights));
  const count = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  console.error(`examples/${name}/${name}.safetensors: ${count.toLocaleString("en-US")} numbers`);
}
