import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isCirculant } from "../src/base/circulant.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { randomTensor } from "./ops-builder.ts";

const shapes: { readonly [name: string]: readonly number[] } = {
  "stem.weight": [16, 1, 3, 3],
  "a.weight": [32, 16, 3, 3],
  "n.scale": [32],
  "n.shift": [32],
  "n.mean": [32],
  "b.weight": [32, 32, 3, 3],
  "c.weight": [24, 32, 1, 1],
  "fc.weight": [10, 24],
};
const text = `network small {
  weights "net.safetensors"
  input image: [1, 8, 8] in 0 .. 1
  s = square(conv2d(image, weight = @stem.weight, pad = 1))
  a = conv2d(s, weight = @a.weight, stride = 2, pad = 1)
  n = batch_norm(a, scale = @n.scale, shift = @n.shift, mean = @n.mean, variance = @n.variance)
  b = square(conv2d(square(n), weight = @b.weight, pad = 1))
  c = square(conv2d(b, weight = @c.weight))   @circulant(block = 4)
  output y = dense(flatten(global_avg_pool(c)), weight = @fc.weight)
}

target seal {
  circulant block = 16
  precision = 8 bits
}
`;

function folderWithModel(source = text): string {
  const folder = temporaryFolder();
  const weights = new Map<string, Tensor>(
    Object.entries(shapes).map(([name, shape], i) => [name, randomTensor(shape, 10 + i)]),
  );
  weights.set("n.variance", { shape: [32], data: randomTensor([32], 3).data.map((v) => 2 + v) });
  writeFileSync(join(folder, "net.hen"), source);
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors(weights));
  return folder;
}

const written = (folder: string, name = "new") => ({
  text: readFileSync(join(folder, `${name}.hen`), "utf8"),
  weights: readSafetensors(readFileSync(join(folder, `${name}.safetensors`)), name).tensors,
});

it("circulant writes blocks within the budget, weights that have them, and what that changes", async () => {
  const folder = folderWithModel();
  const made = await run(folder, "circulant", "net.hen", "--budget", "8", "-o", "new.hen");
  expect([made.code, made.err]).toEqual([0, "wrote new.safetensors and new.hen\n"]);
  await expect(made.out).toMatchFileSnapshot("golden/circulant/report.txt");

  const { text: model, weights } = written(folder);
  const blocks = [...model.matchAll(/^ {2}(\S+) = conv2d.*@circulant\(block = (\d+)\)/gm)].map(([, name, b]) => [
    name,
    b,
  ]);
  expect(blocks.length).toBeGreaterThan(1);
  expect(blocks).toContainEqual(["c.conv2d", "4"]);
  expect(model).toContain("target seal {\n  precision = 8 bits\n}\n");
  for (const [name, block] of blocks) {
    const weight = name === "a" ? "a.weight" : `${name![0]}.weight`;
    expect(isCirculant(weights.get(weight)!, Number(block)), weight).toBe(true);
  }
  // First columns alone are stored.
  expect(statSync(join(folder, "new.safetensors")).size).toBeLessThan(statSync(join(folder, "net.safetensors")).size);
  // Nothing is left to project: the network says what it is.
  const again = await run(folder, "opt", "new.hen", "--pass", "circulant,fold-batch-norm,confirm-circulant");
  expect([again.code, again.err]).toEqual([0, ""]);
  expect(again.out).not.toContain("@circulant");
});

it("more budget never loses more, and the whole of it loses nothing", async () => {
  const folder = folderWithModel(text.replace("   @circulant(block = 4)", ""));
  const losses: number[] = [];
  for (const budget of ["16", "8", "4", "2", "1", "100%"]) {
    const made = await run(folder, "circulant", "net.hen", "-b", budget, "-o", "new.hen", "--force", "--json");
    expect(made.err).toBe("");
    const { totals, budgetMilliseconds, polyModulusDegree, ...rest } = JSON.parse(made.out);
    expect(rest).toMatchObject({ format: "sealwright-circulant", version: 1, files: ["new.safetensors", "new.hen"] });
    expect(rest.layers).toHaveLength(3);
    expect(polyModulusDegree).toBe(8192);
    expect(totals.circulant.milliseconds).toBeLessThanOrEqual(budgetMilliseconds * (1 + 1e-9));
    losses.push(totals.loss);
  }
  expect(losses).toEqual(losses.toSorted((a, b) => b - a));
  expect(losses.slice(-2)).toEqual([0, 0]);
  expect(losses[0]).toBeGreaterThan(0);
});

it("statistics decide which weights matter", async () => {
  const folder = folderWithModel(text.replace("   @circulant(block = 4)", ""));
  const layers = ["a.weight", "b.weight", "c.weight"];
  const loud = (name: string) =>
    new Map<string, Tensor>(
      layers.map((n) => [
        n,
        { shape: shapes[n]!, data: randomTensor(shapes[n]!).data.map((v) => (n === name ? 1e3 : 1e-3) * v * v) },
      ]),
    );
  const blockOf = async (name: string) => {
    writeFileSync(join(folder, "fisher.safetensors"), writeSafetensors(loud(name)));
    const flags = ["--statistics", "fisher.safetensors", "--force", "--json"];
    const made = await run(folder, "circulant", "net.hen", "-b", "4", "-o", "new.hen", ...flags);
    return JSON.parse(made.out).layers.find((l: { weight: string }) => l.weight === name).block;
  };
  for (const name of layers) expect(await blockOf(name), name).toBeLessThan(8);

  const wrong = async (name: string, value: Tensor | undefined) => {
    const all = loud("a.weight");
    all.delete(name);
    if (value !== undefined) all.set(name, value);
    writeFileSync(join(folder, "fisher.safetensors"), writeSafetensors(all));
    const flags = ["--statistics", "fisher.safetensors", "--force"];
    const { code, err } = await run(folder, "circulant", "net.hen", "-b", "4", "-o", "new.hen", ...flags);
    return [code, err.split("\n")[0]];
  };
  const why = "needed are [32, 32, 3, 3] squared gradients, none of them negative";
  const begin = "error[SW266]: the statistics of 'b.weight', the weight of 'b.conv2d', are";
  expect(await wrong("b.weight", undefined)).toEqual([3, `${begin} missing; ${why}`]);
  expect(await wrong("b.weight", randomTensor([3]))).toEqual([3, `${begin} of the shape [3]; ${why}`]);
  const negative = { shape: shapes["b.weight"]!, data: new Float64Array(32 * 32 * 9).fill(-1) };
  expect(await wrong("b.weight", negative)).toEqual([3, `${begin} negative somewhere: -1; ${why}`]);
});

it("circulant refuses what it cannot do, and writes nothing", async () => {
  const folder = folderWithModel();
  const failed = async (...flags: string[]) => {
    const { code, out, err } = await run(folder, "circulant", ...flags, "-o", "new.hen");
    expect(out).toBe("");
    expect(() => statSync(join(folder, "new.hen"))).toThrow();
    return [code, err.split("\n")[0]];
  };
  expect(await failed("net.hen", "--budget", "1%")).toEqual([5, expect.stringContaining("SW265")]);
  expect(await failed("net.hen", "--budget", "3")).toEqual([2, expect.stringContaining("share up to 100%")]);
  expect(await failed("net.hen", "--budget", "101%")).toEqual([2, expect.stringContaining("share up to 100%")]);
  expect(await failed("net.hen", "--budget", "8", "--blocks", "2,x")).toEqual([2, expect.stringContaining("list of")]);
  writeFileSync(join(folder, "plain.hen"), "network plain {\n  input x: [2] in -1 .. 1\n  output y = square(x)\n}\n");
  expect(await failed("plain.hen", "--budget", "8")).toEqual([4, expect.stringContaining("SW264")]);
});
