import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A network small enough that compiling it takes no time: 4 - 3 - 2 with a square between. */
export const tinyModel = `# Two small layers.
network tiny {
  weights "tiny.safetensors"
  input x: [4] in -1 .. 1

  h = square(dense(x, weight = @fc1.weight, bias = @fc1.bias))
  output y = dense(h, weight = @fc2.weight)
}

target seal {
  security = 128
  precision = 8 bits
}
`;

const weights: readonly (readonly [string, readonly number[], readonly number[]])[] = [
  ["fc1.weight", [3, 4], [0.5, -0.25, 0.125, 1, -1, 0.75, 0.5, 0.25, 0.1, 0.2, -0.3, 0.4]],
  ["fc1.bias", [3], [0.1, -0.2, 0.3]],
  ["fc2.weight", [2, 3], [1, -1, 0.5, 0.25, 0.5, -0.75]],
];

export const tinyInput = [0.5, -0.25, 1, -0.75];

/** What the network answers in float64. */
export function tinyAnswer(x: readonly number[] = tinyInput): number[] {
  const [w1, b1, w2] = weights.map(([, , data]) => data);
  const h = [0, 1, 2].map((row) => (x.reduce((sum, v, i) => sum + w1![row * 4 + i]! * v, 0) + b1![row]!) ** 2);
  return [0, 1].map((row) => h.reduce((sum, v, i) => sum + w2![row * 3 + i]! * v, 0));
}

/** Writes the model, its weights and an input of it into a folder. */
export function writeTiny(folder: string): void {
  writeFileSync(join(folder, "tiny.hen"), tinyModel);
  writeFileSync(join(folder, "tiny.safetensors"), safetensors(weights));
  writeFileSync(join(folder, "x.csv"), `${tinyInput.join(",")}\n`);
}

/** Written by hand rather than by the code under test. */
export function safetensors(tensors: readonly (readonly [string, readonly number[], readonly number[]])[]): Uint8Array {
  let offset = 0;
  const entries = tensors.map(([name, shape, data]) => {
    const entry = { dtype: "F64", shape, data_offsets: [offset, offset + data.length * 8] };
    offset += data.length * 8;
    return [name, entry];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = Float64Array.from(tensors.flatMap(([, , numbers]) => numbers));
  return Buffer.concat([length, header, Buffer.from(data.buffer)]);
}
