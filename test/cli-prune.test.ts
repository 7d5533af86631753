import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { tensor } from "../src/base/tensor.ts";
import { printNetwork } from "../src/ir/print-network.ts";
import type { WeightGroup } from "../src/ir/weight-groups.ts";
import { writeNpy } from "../src/weights/npy.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const target = "target seal {\n  precision = 8 bits\n  max_keys = 40\n}\n";

/** A folder with `net.hen`, two convolutions with a normalization between and a dense layer, and 40 images in `data.npy`. */
function folderWithModel(): string {
  const folder = temporaryFolder();
  const net = new Net();
  const x = net.input([2, 8, 8]);
  const a = net.op("conv2d", [x, net.constant([4, 2, 3, 3], undefined, "a.w")], { pad: 1 }, { name: "a" });
  const ones = (name: string, value: number) => net.constant([4], [value, value + 0.5, value, value + 0.25], name);
  const n = net.op("batch_norm", [a, ones("n.s", 0.25), ones("n.b", 0), ones("n.m", 0.1), ones("n.v", 1)]);
  const b = net.op(
    "conv2d",
    [net.op("square", [n]), net.constant([8, 4, 3, 3], undefined, "b.w")],
    { pad: 1 },
    { name: "b" },
  );
  const flat = net.op("flatten", [net.op("square", [b])]);
  const c = net.op("dense", [flat, net.constant([10, 512], undefined, "c.w")], {}, { name: "c" });
  const { text, tensors } = printNetwork(net.graph(c), "net.safetensors");
  writeFileSync(join(folder, "net.hen"), `${text}\n${target}`);
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors(tensors));
  const numbers = Array.from({ length: 40 }, (_, i) => {
    const { data: share } = randomTensor([3], 31 + i);
    return Array.from(
      { length: 128 },
      (_, p) => (share[0]! + (share[1]! * (p % 8)) / 8 + (share[2]! * (p >> 3)) / 16) / 3,
    );
  });
  writeFileSync(join(folder, "data.npy"), writeNpy(tensor([40, 2, 8, 8], numbers.flat())));
  return folder;
}

const rotationsOf = async (folder: string, model: string) =>
  JSON.parse((await run(folder, "inspect", model, "--json")).out).totals.rotations;

it("groups writes which weights of the model stand for what", { timeout: 60_000 }, async () => {
  const folder = folderWithModel();
  const { code, out, err } = await run(folder, "groups", "net.hen", "-o", "g.safetensors", "--costs");
  expect([code, err]).toEqual([0, expect.stringContaining("wrote g.safetensors")]);
  expect(out).toMatch(/^aligned +b /m);
  const { tensors, metadata } = readSafetensors(readFileSync(join(folder, "g.safetensors")), "g");
  const { groups, costs } = JSON.parse(metadata.get("sealwright-groups")!);
  type Stored = Omit<WeightGroup, "indices"> & { readonly indices: string };
  const sizes = new Map([
    ["a.w", 72],
    ["b.w", 288],
    ["c.w", 5120],
  ]);
  for (const { layer, weight, indices } of groups as Stored[]) {
    expect(weight).toBe(`${layer}.w`);
    const { data } = tensors.get(indices)!;
    expect(data.every((i, at) => i < sizes.get(weight)! && (at === 0 || data[at - 1]! < i))).toBe(true);
  }
  expect(new Set(groups.map((g: Stored) => g.kind))).toEqual(new Set(["positional", "diagonal", "aligned", "channel"]));
  expect(costs.some((cost: { kind: string }) => cost.kind === "key")).toBe(true);
  const some = await run(folder, "groups", "net.hen", "-o", "h.safetensors", "--kind", "channel", "--json");
  expect(JSON.parse(some.out)).toMatchObject({ format: "sealwright-groups", groups: 22, costs: 0, untraced: [] });
  const wrong = await run(folder, "groups", "net.hen", "-o", "i.safetensors", "--kind", "row");
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("positional, diagonal, aligned, channel")]);
});

it("prune with data writes a model that needs less and is closer than zeros alone", { timeout: 60_000 }, async () => {
  const folder = folderWithModel();
  const flags = ["--kind", "aligned", "--keep", "0.5", "--data", "data.npy", "-o", "small.hen"];
  const { code, out } = await run(folder, "prune", "net.hen", ...flags, "--json");
  expect(code).toBe(0);
  const { before, after, layers, heldOut } = JSON.parse(out);
  expect(after.rotations).toBeLessThan(before.rotations);
  expect(after.products).toBeLessThan(before.products);
  expect(layers.length).toBeGreaterThan(0);
  expect(heldOut.plain.samples).toBe(8);
  expect(heldOut.refitted.relativeError).toBeLessThan(heldOut.plain.relativeError);
  expect([await rotationsOf(folder, "net.hen"), await rotationsOf(folder, "small.hen")]).toEqual([
    before.rotations,
    after.rotations,
  ]);
  const again = await run(folder, "prune", "net.hen", ...flags.slice(0, -1), "other.hen", "--no-refit");
  expect(again.out).toContain("with zeros alone the outputs differ by");
  expect(again.out).not.toContain("refitted");
});

it("prune reaches a number of rotations or a time, or says how far it came", { timeout: 60_000 }, async () => {
  const folder = folderWithModel();
  const rotations = await rotationsOf(folder, "net.hen");
  const goal = ["prune", "net.hen", "--kind", "aligned", "--rotations"];
  const reached = await run(folder, ...goal, `${rotations - 4}`, "-o", "less.hen", "--json");
  expect(reached.code).toBe(0);
  expect(JSON.parse(reached.out).after.rotations).toBeLessThanOrEqual(rotations - 4);
  const missed = await run(folder, ...goal, "1", "-o", "none.hen");
  expect([missed.code, missed.err]).toEqual([5, expect.stringContaining("SW275")]);
  const { milliseconds } = JSON.parse(reached.out).before;
  const time = `${Math.floor(0.95 * milliseconds)}`;
  const faster = await run(folder, "prune", "net.hen", "--milliseconds", time, "-o", "fast.hen", "--json");
  expect(JSON.parse(faster.out).after.milliseconds).toBeLessThanOrEqual(0.95 * milliseconds);
});

it("prune without a goal does what the model says, which is said no more afterwards", { timeout: 60_000 }, async () => {
  const folder = folderWithModel();
  const text = readFileSync(join(folder, "net.hen"), "utf8");
  const asking = text.replace(/^( {2}b = .*?)(?: +#.*)?$/m, "$1  @prune(diagonal, keep = 0.25)");
  writeFileSync(
    join(folder, "ask.hen"),
    asking.replace("max_keys", "prune kind = channel\n  prune keep = 1\n  max_keys"),
  );
  const { code, out } = await run(folder, "prune", "ask.hen", "-o", "done.hen", "--json");
  expect([code, JSON.parse(out).layers.map((l: { layer: string }) => l.layer)]).toEqual([0, ["b"]]);
  const done = readFileSync(join(folder, "done.hen"), "utf8");
  expect(done).not.toContain("prune");
  expect(done).toContain("max_keys = 40");
});

it("prune takes what the loss says about weights", { timeout: 60_000 }, async () => {
  const folder = folderWithModel();
  const ones = (shape: number[], of: (i: number) => number) =>
    tensor(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => of(i)),
    );
  // The loss hears nothing of all channels of the second layer but the first two.
  const statistics = new Map([
    ["a.w", ones([4, 2, 3, 3], () => 1)],
    ["b.w", ones([8, 4, 3, 3], (i) => (i < 72 ? 1 : 1e-9))],
    ["c.w", ones([10, 512], () => 1e3)],
  ]);
  writeFileSync(join(folder, "s.safetensors"), writeSafetensors(statistics));
  const prune = ["prune", "net.hen", "--kind", "channel", "--keep", "0.96", "--statistics", "s.safetensors"];
  const made = await run(folder, ...prune, "-o", "few.hen", "--json");
  expect(made.code).toBe(0);
  const { tensors } = readSafetensors(readFileSync(join(folder, "few.safetensors")), "few");
  const kept = tensors.get("b.w")!.data;
  expect(kept.subarray(0, 72).every((w) => w !== 0)).toBe(true);
  expect(kept.subarray(72).filter((w) => w === 0).length).toBeGreaterThan(100);
  writeFileSync(join(folder, "s.safetensors"), writeSafetensors(new Map([...statistics].slice(1))));
  const missing = await run(folder, ...prune, "-o", "other.hen");
  expect([missing.code, missing.err]).toEqual([3, expect.stringContaining("SW276")]);
});

it("prune refuses what it cannot do", async () => {
  const folder = folderWithModel();
  writeFileSync(join(folder, "plain.hen"), "network plain {\n  input x: [2] in -1 .. 1\n  output y = square(x)\n}\n");
  const plain = await run(folder, "prune", "plain.hen", "--keep", "0.5", "-o", "p.hen");
  expect([plain.code, plain.err]).toEqual([4, expect.stringContaining("SW274")]);
  const prune = ["prune", "net.hen", "-o", "p.hen"];
  const two = await run(folder, ...prune, "--keep", "0.5", "--rotations", "3");
  expect([two.code, two.err]).toEqual([2, expect.stringContaining("one of them")]);
  expect((await run(folder, ...prune, "--kind", "aligned")).code).toBe(2);
  expect((await run(folder, ...prune, "--keep", "2")).code).toBe(2);
  expect((await run(folder, ...prune)).err).toContain("asks for no pruning");
});

it("compiling with prune.keep needs less, and the plan says so", { timeout: 60_000 }, async () => {
  const folder = folderWithModel();
  const asked = ["--set", "prune.keep=0.5", "--set", "prune.kind=aligned"];
  const { code, err } = await run(folder, "compile", "net.hen", "-o", "net.plan", ...asked);
  expect([code, err]).toEqual([0, expect.stringContaining("SW271")]);
  expect(err.match(/SW271/g)).toHaveLength(1);
  expect(await rotationsOf(folder, "net.plan")).toBeLessThan(await rotationsOf(folder, "net.hen"));
  const wrong = await run(folder, "compile", "net.hen", "-o", "no.plan", "--set", "prune.keep=0");
  expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining("above 0 and at most 1")]);
});
