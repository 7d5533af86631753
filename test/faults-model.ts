import * as fs from "node:fs";
import { join } from "node:path";
import { safetensors } from "./cli-model.ts";

/** One layer and a square: the smallest network that needs rotations, a relinearization and the ring of degree 4096. */
export const faultModel = `network m {
  weights "w.safetensors"
  input x: [4] in -1 .. 1
  output y = square(dense(x, weight = @w, bias = @b))
}
target seal {
  degree = 4096
  precision = 8 bits
}
`;

const weight = Array.from({ length: 32 }, (_, i) => (((i * 5) % 9) - 4) / 8);
const bias = Array.from({ length: 8 }, (_, i) => (i - 4) / 16);

/** The weights with one of them changed by `delta`. */
export function faultWeights(delta = 0): Uint8Array {
  return safetensors([
    ["w", [8, 4], weight.map((v, i) => (i === 7 ? v + delta : v))],
    ["b", [8], bias],
  ]);
}

export const faultInput = [0.5, -0.25, 1, -0.75];

/** What the network answers in float64. */
export function faultAnswer(x: readonly number[] = faultInput): number[] {
  return bias.map((b, row) => x.reduce((sum, v, i) => sum + weight[row * 4 + i]! * v, b) ** 2);
}

/** Writes the model, its weights and an input into a folder. */
export function writeFaultModel(folder: string): void {
  fs.writeFileSync(join(folder, "m.hen"), faultModel);
  fs.writeFileSync(join(folder, "w.safetensors"), faultWeights());
  fs.writeFileSync(join(folder, "x.csv"), `${faultInput.join(",")}\n`);
}
