import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Random } from "../src/base/random.ts";
import { tensor } from "../src/base/tensor.ts";
import { printNetwork } from "../src/ir/print-network.ts";
import type { WeightGroup } from "../src/ir/weight-groups.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { Net } from "./ops-builder.ts";

const side = 20;
const samples = 80;

/** A folder with `net.hen`, a LeNet with an average pool behind each convolution, and images of two kinds in `data.safetensors`. */
function folderWithLeNet(): string {
  const folder = temporaryFolder();
  const net = new Net();
  const random = new Random(5);
  const weight = (name: string, shape: readonly number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const width = 1 / Math.sqrt(size / shape[0]!);
    return net.constant(
      shape,
      Array.from({ length: size }, () => width * (2 * random.uniform() - 1)),
      name,
    );
  };
  let value = net.input([1, side, side], "image");
  for (const [name, shape] of [
    ["c1", [6, 1, 5, 5]],
    ["c2", [16, 6, 3, 3]],
  ] as const) {
    const convolved = net.op("conv2d", [value, weight(`${name}.w`, shape)], {}, { name });
    value = net.op("square", [net.op("avg_pool", [convolved], { kernel: 2 })]);
  }
  const flat = net.op("flatten", [value]);
  const { text, tensors } = printNetwork(
    net.graph(net.op("dense", [flat, weight("d.w", [2, 144])], {}, { name: "d" })),
    "net.safetensors",
  );
  writeFileSync(join(folder, "net.hen"), `${text}\ntarget seal {\n  precision = 4 bits\n}\n`);
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors(tensors));
  const labels = Array.from({ length: samples }, (_, i) => i % 2);
  // Bright stripes that lie or stand.
  const images = labels.flatMap((label) => {
    const at = Math.floor(random.uniform() * side);
    const lit = (y: number, x: number) => Math.abs((label === 0 ? y : x) - at) < 2;
    return Array.from({ length: side * side }, (_, p) =>
      lit(Math.floor(p / side), p % side) ? 0.9 : 0.2 * random.uniform(),
    );
  });
  const arrays = { image: tensor([samples, 1, side, side], images), labels: tensor([samples], labels) };
  writeFileSync(join(folder, "data.safetensors"), writeSafetensors(new Map(Object.entries(arrays))));
  return folder;
}

const rotationsOf = async (folder: string, model: string) =>
  JSON.parse((await run(folder, "inspect", model, "--json")).out).totals.rotations;

it("layers with average pools have groups of the model's own weights", { timeout: 60_000 }, async () => {
  const folder = folderWithLeNet();
  const { code, out } = await run(folder, "groups", "net.hen", "-o", "g.safetensors", "--json", "--costs");
  expect([code, JSON.parse(out).untraced]).toEqual([0, []]);
  const { tensors, metadata } = readSafetensors(readFileSync(join(folder, "g.safetensors")), "g");
  const sizes = new Map([
    ["c1.w", 150],
    ["c2.w", 864],
    ["d.w", 288],
  ]);
  type Stored = Omit<WeightGroup, "indices"> & { readonly indices: string };
  const { groups } = JSON.parse(metadata.get("sealwright-groups")!) as { groups: Stored[] };
  for (const { layer, weight, indices } of groups) {
    expect(weight).toBe(`${layer}.w`);
    expect(Math.max(...tensors.get(indices)!.data)).toBeLessThan(sizes.get(weight)!);
  }
  const aligned = groups.filter(({ kind }) => kind === "aligned");
  expect(new Set(aligned.map(({ layer }) => layer))).toContain("c2");
  expect(aligned.every(({ removes }) => removes.rotations >= 1)).toBe(true);
});

it("prune and tune take rotations from layers with average pools", { timeout: 60_000 }, async () => {
  const folder = folderWithLeNet();
  const before = await rotationsOf(folder, "net.hen");
  const prune = ["prune", "net.hen", "--data", "data.safetensors", "--rotations", `${Math.floor(0.8 * before)}`];
  const pruned = await run(folder, ...prune, "-o", "small.hen", "--json");
  expect(pruned.code).toBe(0);
  const { layers, heldOut } = JSON.parse(pruned.out);
  expect(layers.map((one: { layer: string }) => one.layer)).toContain("c2");
  expect(heldOut.refitted.relativeError).toBeLessThan(heldOut.plain.relativeError);
  expect(await rotationsOf(folder, "small.hen")).toBeLessThanOrEqual(0.8 * before);
  const tune = ["tune", "net.hen", "--data", "data.safetensors", "--epochs", "4", "--ramp", "4", "--batch", "8"];
  const tuned = await run(folder, ...tune, "--prune", "aligned", "--keep", "0.7", "-o", "tuned.hen", "--json");
  expect(tuned.code).toBe(0);
  expect(JSON.parse(tuned.out).groups).toBeGreaterThan(2);
  expect(await rotationsOf(folder, "tuned.hen")).toBeLessThan(before);
});

it("prune says which layers run together with others", async () => {
  const folder = temporaryFolder();
  const net = new Net();
  const x = net.input([2, 4, 4]);
  const branch = (name: string) =>
    net.op("conv2d", [x, net.constant([2, 2, 1, 1], undefined, `${name}.w`)], {}, { name });
  const { text, tensors } = printNetwork(
    net.graph(net.op("add", [branch("left"), branch("right")])),
    "net.safetensors",
  );
  writeFileSync(join(folder, "net.hen"), text);
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors(tensors));
  const { code, err } = await run(folder, "prune", "net.hen", "--keep", "0.5", "-o", "p.hen");
  expect([code, err]).toEqual([4, expect.stringMatching(/SW274.*'left', 'right' are folded together/)]);
});
