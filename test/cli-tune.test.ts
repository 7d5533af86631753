import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Random } from "../src/base/random.ts";
import { tensor } from "../src/base/tensor.ts";
import { main } from "../src/cli/main.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { captured, run, temporaryFolder } from "./cli-io.ts";
import { tinyModel, writeTiny } from "./cli-model.ts";

/** A folder with `tiny.hen`, and 60 labelled inputs for it in `data.safetensors`: is the first number larger than the second? */
function folderWithData(labels?: readonly number[]): string {
  const folder = temporaryFolder();
  writeTiny(folder);
  const random = new Random(3);
  const inputs = Array.from({ length: 60 * 4 }, () => Math.fround(2 * random.uniform() - 1));
  const own = labels ?? Array.from({ length: 60 }, (_, i) => (inputs[4 * i]! > inputs[4 * i + 1]! ? 1 : 0));
  const arrays = { x: tensor([60, 4], inputs), labels: tensor([own.length], own) };
  writeFileSync(join(folder, "data.safetensors"), writeSafetensors(new Map(Object.entries(arrays))));
  return folder;
}

const tune = ["tune", "tiny.hen", "--data", "data.safetensors", "--epochs", "30", "--rate", "0.03", "--batch", "8"];

function weightsIn(folder: string, name: string) {
  return readSafetensors(readFileSync(join(folder, name)), name).tensors;
}

it("tune writes weights for the text that is there, or a text of its own", async () => {
  const folder = folderWithData();
  const first = await run(folder, ...tune, "-o", "new.safetensors");
  expect([first.code, first.out]).toEqual([0, ""]);
  const lines = first.err.trim().split("\n");
  expect(lines[0]).toMatch(/^before: held out: loss [\d.]+, [\d.]+ % right$/);
  expect(lines[30]).toMatch(
    /^epoch 30 of 30, tuning: loss [\d.]+, [\d.]+ % right; held out: loss [\d.]+, [\d.]+ % right$/,
  );
  expect(lines.at(-1)).toBe("wrote new.safetensors");
  const weights = weightsIn(folder, "new.safetensors");
  expect([...weights.keys()].sort()).toEqual(["fc1.bias", "fc1.weight", "fc2.weight"]);
  writeFileSync(join(folder, "tiny.safetensors"), readFileSync(join(folder, "new.safetensors")));
  expect((await run(folder, "check", "tiny.hen")).code).toBe(0);

  writeTiny(folder);
  const second = await run(folder, ...tune, "-o", "new.hen", "--json", "--force");
  expect(second.code).toBe(0);
  const report = JSON.parse(second.out);
  expect(report).toMatchObject({
    format: "sealwright-training",
    version: 1,
    files: ["new.safetensors", "new.hen"],
    groups: 0,
  });
  expect(report.epochs).toHaveLength(30);
  expect(report.epochs[29].training.accuracy).toBeGreaterThan(0.9);
  expect(weightsIn(folder, "new.safetensors").get("fc2.weight")).toEqual(weights.get("fc2.weight"));
  expect(readFileSync(join(folder, "new.hen"), "utf8")).toContain("target seal {\n  security = 128\n");
  expect((await run(folder, ...tune, "-o", "new.hen")).err).toContain("SW903");
});

it("tune that was stopped half-way goes on to the same bytes", async () => {
  const folder = folderWithData();
  const flags = ["--prune", "diagonal", "--keep", "0.6", "--ramp", "3", "--distill", "0.3"];
  expect((await run(folder, ...tune, ...flags, "-o", "whole.safetensors")).code).toBe(0);
  const { io } = captured(folder);
  let epochs = 0;
  const killed = {
    ...io,
    err: (text: string) => {
      if (text.startsWith("epoch") && ++epochs === 11) throw new Error("killed");
    },
  };
  const kept = ["--checkpoint", "half.safetensors", "-o", "half-weights.safetensors"];
  await main([...tune, ...flags, ...kept], killed);
  const resumed = await run(folder, ...tune, ...flags, ...kept, "--resume");
  expect([resumed.code, resumed.err.split("\n")[0]]).toEqual([0, expect.stringMatching(/^epoch 11 of 33/)]);
  const bytes = (name: string) => readFileSync(join(folder, name));
  expect(bytes("half-weights.safetensors").equals(bytes("whole.safetensors"))).toBe(true);

  const other = await run(folder, ...tune, ...kept, "--resume", "--force");
  expect([other.code, other.err]).toEqual([3, expect.stringContaining("SW289")]);
  expect((await run(folder, ...tune, ...kept, "--force")).code).toBe(0);
});

it("tune presses groups of the plan to zero and says which are gone", async () => {
  const folder = folderWithData();
  const flags = ["--prune", "diagonal", "--keep", "0.5", "--ramp", "4", "-o", "new.hen", "--json"];
  const { code, out } = await run(folder, ...tune, ...flags);
  expect(code).toBe(0);
  const { groups, gone, before, after } = JSON.parse(out);
  expect(after.milliseconds).toBeLessThan(before.milliseconds);
  expect(groups).toBeGreaterThan(2);
  expect(gone.length).toBeGreaterThan(0);
  expect(gone[0]).toMatchObject({ kind: "diagonal", label: expect.any(String) });
  const zeros = ["fc1.weight", "fc2.weight"].flatMap((name) => [
    ...weightsIn(folder, "new.safetensors").get(name)!.data,
  ]);
  expect(zeros.filter((v) => v === 0).length).toBeGreaterThan(3);
});

it("tune writes weights that no plan fits, and says so", async () => {
  const folder = folderWithData();
  const flags = [
    "--prune",
    "diagonal",
    "--keep",
    "0.9",
    "--ramp",
    "1",
    "-o",
    "new.safetensors",
    "--rate",
    "100",
    "--json",
  ];
  const { code, out, err } = await run(folder, ...tune, ...flags);
  expect([code, JSON.parse(out).after]).toEqual([0, null]);
  expect(err).toContain("no plan fits the new weights as the model asks");
  expect(weightsIn(folder, "new.safetensors").size).toBe(3);
});

it("tune also tells how much the loss depends on each weight", async () => {
  const folder = folderWithData();
  const { code, err } = await run(folder, ...tune, "-o", "new.safetensors", "--statistics", "squares.safetensors");
  expect([code, err]).toEqual([0, expect.stringContaining("wrote new.safetensors and squares.safetensors")]);
  const squares = weightsIn(folder, "squares.safetensors");
  expect(squares.get("fc1.weight")!.shape).toEqual([3, 4]);
  expect(squares.get("fc1.weight")!.data.every((v) => v >= 0)).toBe(true);
});

const refused: readonly (readonly [string, readonly string[], number, string])[] = [
  ["a rate of 0", ["--rate", "0"], 2, "SW292"],
  ["a share that is none", ["--keep", "1.5"], 2, "SW292"],
  ["all data held out", ["--hold-out", "1"], 3, "SW287"],
  ["a share to hold out beyond all", ["--hold-out", "2"], 2, "SW292"],
  ["resuming from nothing", ["--resume"], 2, "SW901"],
  ["resuming a file that is not there", ["--resume", "--checkpoint", "c.safetensors"], 3, "SW910"],
  ["one file for two things", ["--statistics", "new.safetensors"], 2, "SW901"],
  ["words for numbers", ["--decay", "much"], 2, "SW901"],
];

it.for(refused)("tune refuses %s", async ([, flags, code, id]) => {
  const folder = folderWithData();
  const found = await run(folder, ...tune, "-o", "new.safetensors", ...flags);
  expect([found.code, found.err]).toEqual([code, expect.stringContaining(id)]);
});

it("tune refuses labels and models that do not fit", async () => {
  const folder = folderWithData(Array.from({ length: 60 }, () => 2));
  const wrong = await run(folder, ...tune, "-o", "new.safetensors");
  expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining("SW285")]);
  expect(wrong.err).toContain("the label of sample 1 is 2, allowed are integers from 0 to 1");
  const other = folderWithData();
  writeFileSync(join(other, "tiny.hen"), tinyModel.replace("weight = @fc2.weight", "weight = [[1, 2, 3], [4, 5, 6]]"));
  const inline = await run(other, ...tune, "-o", "new.safetensors");
  expect([inline.code, inline.err]).toEqual([3, expect.stringContaining("SW293")]);
  expect((await run(other, ...tune, "-o", "new.hen")).code).toBe(0);
  // The plan of so small a network has neither baby nor giant steps.
  const nothing = await run(other, ...tune, "-o", "other.hen", "--prune", "aligned");
  expect([nothing.code, nothing.err]).toEqual([4, expect.stringContaining("SW294")]);
});
