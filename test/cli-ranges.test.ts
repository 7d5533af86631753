import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { digitsModel } from "../examples/onnx/digits-model.ts";
import { writeOnnx } from "../examples/onnx/write-onnx.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { sampleCount } from "../src/driver/samples.ts";
import { readRanges } from "../src/ir/ranges-file.ts";
import { writeNpy } from "../src/weights/npy.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { writeTiny } from "./cli-model.ts";
import { itWithMaterial, mapped, materialPath, mnistTest } from "./material.ts";
import { zip } from "./zip-bytes.ts";

function tinyFolder(): string {
  const folder = temporaryFolder();
  writeTiny(folder);
  save(folder, "a.npy", tensor([2, 4], [0.5, -0.25, 1, -0.75, 0, 0, 0, 0]));
  return folder;
}

function save(folder: string, name: string, value: Tensor): void {
  writeFileSync(join(folder, name), writeNpy(value));
}

const rangesIn = (folder: string, name: string) => readRanges(readFileSync(join(folder, name)), name);

it("calibrate-ranges writes the ranges beside the model, and compile says that it uses them", async () => {
  const folder = tinyFolder();
  const made = await run(folder, "calibrate-ranges", "tiny.hen", "--data", "a.npy");
  expect(made).toMatchObject({ code: 0, out: "" });
  expect(made.err).toBe("wrote tiny.ranges.json: 4 layers on 2 samples\n");
  const { model, samples, layers } = rangesIn(folder, "tiny.ranges.json");
  expect([model, samples, [...layers.keys()]]).toEqual(["tiny", 2, ["h", "h.dense", "x", "y"]]);
  expect(layers.get("x")).toMatchObject({ low: -0.75, high: 1 });

  const again = await run(folder, "calibrate-ranges", "tiny.hen", "--data", "a.npy");
  expect([again.code, again.err]).toEqual([2, expect.stringContaining("SW903")]);

  const line = "using the ranges in tiny.ranges.json (observed on 2 samples)\n";
  for (const argv of [
    ["check", "tiny.hen"],
    ["inspect", "tiny.hen"],
    ["compile", "tiny.hen"],
    ["opt", "tiny.hen", "--pass", "fold-linear"],
  ]) {
    const { code, err } = await run(folder, ...argv);
    expect([code, argv[0], err.startsWith(line)]).toEqual([0, argv[0], true]);
  }
  const asked = await run(folder, "check", "tiny.hen", "--ranges", "tiny.ranges.json");
  expect(asked).toEqual({ code: 0, out: "", err: "" });
  const json = await run(folder, "check", "tiny.hen", "--json");
  expect([json.code, json.err]).toEqual([0, ""]);
  const plan = await run(folder, "inspect", "tiny.plan", "--ranges", "tiny.ranges.json");
  expect([plan.code, plan.err]).toEqual([2, expect.stringContaining("'--ranges' is for models")]);
});

it("folders are read by name, archives by the input's name, and a limit stops early", async () => {
  const folder = tinyFolder();
  mkdirSync(join(folder, "data"));
  const one = (v: number) => tensor([4], [v, 0, 0, 0]);
  save(folder, "data/2.npy", one(0.75));
  const archive = zip([
    { name: "x.npy", content: writeNpy(one(0.5)) },
    { name: "labels.npy", content: writeNpy(tensor([1], [3])) },
  ]);
  writeFileSync(join(folder, "data", "1.npz"), archive);
  writeFileSync(join(folder, "data", "notes.txt"), "no data");
  const flags = ["calibrate-ranges", "tiny.hen", "--data", "data", "--data", "a.npy", "--json"];
  const all = await run(folder, ...flags, "-o", "all.json");
  expect(JSON.parse(all.out)).toEqual({
    format: "sealwright-calibration",
    version: 1,
    model: "tiny",
    output: "all.json",
    samples: 4,
    layers: 4,
  });
  await run(folder, ...flags, "-o", "one.json", "--limit", "1");
  expect(rangesIn(folder, "one.json")).toMatchObject({ samples: 1 });
  expect(rangesIn(folder, "one.json").layers.get("x")).toMatchObject({ low: 0, high: 0.5 });
});

it("data that does not fit is refused with the file and the sample", async () => {
  const folder = tinyFolder();
  const attempt = async (value: Tensor, ...flags: string[]) => {
    save(folder, "d.npy", value);
    const { code, err } = await run(
      folder,
      "calibrate-ranges",
      "tiny.hen",
      "--data",
      "d.npy",
      "-o",
      "r.json",
      "--force",
      ...flags,
    );
    return [code, err] as const;
  };
  const outside = tensor([2, 4], [0, 0, 0, 0, 0, -1.25, 3, 0]);
  expect(await attempt(outside)).toEqual([
    8,
    expect.stringMatching(
      /SW683.*element 1 for input 'x' is -1\.25 \(and 1 more are outside\), declared are -1 \.\. 1\n.*d\.npy: sample 2/,
    ),
  ]);
  expect((await attempt(outside, "--clamp"))[0]).toBe(0);
  expect(rangesIn(folder, "r.json").layers.get("x")).toMatchObject({ low: -1, high: 1 });
  expect(await attempt(tensor([2, 5], new Array(10).fill(0)))).toEqual([3, expect.stringContaining("SW687")]);
  expect(await attempt(tensor([0, 4], []))).toEqual([3, expect.stringContaining("SW686")]);
  mkdirSync(join(folder, "empty"));
  const none = await run(folder, "calibrate-ranges", "tiny.hen", "--data", "empty");
  expect([none.code, none.err]).toEqual([3, expect.stringContaining("there is no sample in 'empty'")]);
  const missing = await run(folder, "calibrate-ranges", "tiny.hen", "--data", "b.npy");
  expect([missing.code, missing.err]).toEqual([3, expect.stringContaining("did you mean 'a.npy'")]);
  writeFileSync(
    join(folder, "two.npz"),
    zip([
      { name: "p.npy", content: writeNpy(outside) },
      { name: "q.npy", content: writeNpy(outside) },
    ]),
  );
  const unnamed = await run(folder, "calibrate-ranges", "tiny.hen", "--data", "two.npz");
  expect([unnamed.code, unnamed.err]).toEqual([3, expect.stringMatching(/SW688.*'p', 'q'.*'x'/)]);
});

it("networks of several inputs take as many values of each", async () => {
  const folder = temporaryFolder();
  const text = "network two {\n  input a: [2]\n  input b: [2]\n  output y = a * b\n}\n";
  writeFileSync(join(folder, "two.hen"), text);
  const archive = (rows: number) =>
    zip([
      { name: "a.npy", content: writeNpy(tensor([2, 2], [1, 0.5, 0, 1])) },
      { name: "b.npy", content: writeNpy(tensor([rows, 2], new Array(rows * 2).fill(-0.5))) },
    ]);
  writeFileSync(join(folder, "d.npz"), archive(2));
  expect((await run(folder, "calibrate-ranges", "two.hen", "--data", "d.npz")).code).toBe(0);
  expect(rangesIn(folder, "two.ranges.json").layers.get("y")).toMatchObject({ low: -0.5, high: -0 });
  writeFileSync(join(folder, "d.npz"), archive(3));
  const { code, err } = await run(folder, "calibrate-ranges", "two.hen", "--data", "d.npz", "--force");
  expect([code, err]).toEqual([3, expect.stringMatching(/SW689.*'a' has 2 samples, 'b' has 3/)]);
});

it("ranges of a model that has changed since are refused, and damaged ones", async () => {
  const folder = tinyFolder();
  await run(folder, "calibrate-ranges", "tiny.hen", "--data", "a.npy");
  const model = readFileSync(join(folder, "tiny.hen"), "utf8");
  writeFileSync(join(folder, "tiny.hen"), model.replaceAll("h", "hh").replaceAll("weighht", "weight"));
  const stale = await run(folder, "check", "tiny.hen");
  expect([stale.code, stale.err]).toEqual([
    3,
    expect.stringMatching(/SW682.*'tiny\.ranges\.json' has a range of layer 'h'/),
  ]);
  expect(stale.err).toContain("did you mean 'hh.dense'?");
  writeFileSync(join(folder, "tiny.ranges.json"), "{}");
  const damaged = await run(folder, "compile", "tiny.hen");
  expect([damaged.code, damaged.err]).toEqual([3, expect.stringContaining("SW681")]);
});

it("an activation of which nothing is known is warned about, until ranges are observed or stated", async () => {
  const folder = tinyFolder();
  const model = readFileSync(join(folder, "tiny.hen"), "utf8").replace("square(", "relu(");
  writeFileSync(join(folder, "tiny.hen"), model);
  const check = () => run(folder, "check", "tiny.hen", "--set", "activation.relu=polynomial(degree=3)");
  const unknown = await check();
  expect([unknown.code, unknown.err]).toEqual([0, expect.stringContaining("warning[SW232]")]);
  await run(folder, "calibrate-ranges", "tiny.hen", "--data", "a.npy");
  expect((await check()).err).toBe("using the ranges in tiny.ranges.json (observed on 2 samples)\n");
  rmSync(join(folder, "tiny.ranges.json"));
  writeFileSync(join(folder, "tiny.hen"), model.replace(/(h = .*)/, "$1   @range(-2, 2)"));
  expect(await check()).toEqual({ code: 0, out: "", err: "" });
});

it("shapes of samples may leave out leading sizes of 1, and add one dimension", () => {
  const counts = (shape: readonly number[], ...arrays: readonly (readonly number[])[]) =>
    arrays.map((found) => sampleCount(found, shape));
  expect(
    counts([1, 3, 8, 8], [1, 3, 8, 8], [50, 3, 8, 8], [50, 1, 3, 8, 8], [3, 8, 8], [50, 2, 3, 8, 8], [8, 8], [3, 8]),
  ).toEqual([1, 50, 50, 1, undefined, undefined, undefined]);
  expect(counts([1, 1, 8, 8], [50, 8, 8], [50, 1, 8, 8], [8, 8], [0, 1, 8, 8])).toEqual([50, 50, 1, 0]);
  expect(counts([4], [4], [7, 4], [4, 7])).toEqual([1, 7, undefined]);
  expect(counts([1], [5], [5, 1], [])).toEqual([5, 5, 1]);
});

it("an ONNX model's ranges are those of its nodes, under its own names of inputs", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "digits.onnx"), writeOnnx(digitsModel()));
  save(
    folder,
    "d.npy",
    tensor(
      [3, 8, 8],
      Array.from({ length: 192 }, (_, i) => i % 17),
    ),
  );
  const flags = ["--range", "image=0..16"];
  expect((await run(folder, "calibrate-ranges", "digits.onnx", "--data", "d.npy", ...flags)).code).toBe(0);
  const { samples, layers } = rangesIn(folder, "digits.ranges.json");
  expect([samples, layers.get("image")]).toEqual([3, expect.objectContaining({ low: 0, high: 16 })]);
  expect((await run(folder, "inspect", "digits.onnx", ...flags, "--stop-after", "pack")).err).toContain(
    "using the ranges",
  );
});

itWithMaterial(
  "LeNet-5 with ReLU is calibrated on digits, within the bounds of interval arithmetic",
  { timeout: 60_000 },
  async () => {
    const folder = temporaryFolder();
    copyFileSync(materialPath("onnx", "nets", "lenet5_mnist_heir.onnx"), join(folder, "lenet.onnx"));
    const black = -0.1307 / 0.3081;
    const images = mnistTest(60).map(({ image }) =>
      padded(
        mapped(image, (v) => (v / 255 - 0.1307) / 0.3081),
        black,
      ),
    );
    save(folder, "mnist.npy", tensor([60, 1, 32, 32], images.flat()));
    const flags = ["--data", "mnist.npy", "--range", "input=-0.4243..2.8215"];
    expect((await run(folder, "calibrate-ranges", "lenet.onnx", ...flags)).code).toBe(0);
    const { layers } = rangesIn(folder, "lenet.ranges.json");
    expect(layers.get("Conv_1")!.low).toBeLessThan(-5);
    expect(layers.get("Relu_2")).toMatchObject({ low: 0, high: layers.get("Conv_1")!.high });
  },
);

/** Rows of 28 in the middle of an image of 32. */
function padded({ data }: Tensor, border: number): number[] {
  return Array.from({ length: 1024 }, (_, i) => {
    const [y, x] = [Math.floor(i / 32) - 2, (i % 32) - 2];
    return y >= 0 && y < 28 && x >= 0 && x < 28 ? data[y * 28 + x]! : border;
  });
}
