import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Random } from "../src/base/random.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { printNetwork } from "../src/ir/print-network.ts";
import { writeNpy } from "../src/weights/npy.ts";
import { writeSafetensors } from "../src/weights/safetensors.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { itWithMaterial, materialPath } from "./material.ts";
import { residual } from "./residual-stages.ts";

const target = "target seal {\n  degree = 4096\n  skips = dirac\n  activation relu = polynomial(degree = 2)\n}\n";

/** A folder with a residual network `net.hen` of two stages, and 40 images for it in `data.npy`. */
function folderWithModel(): string {
  const folder = temporaryFolder();
  const { text, tensors } = printNetwork(residual([4, 6], 3), "net.safetensors");
  writeFileSync(join(folder, "net.hen"), `${text}\n${target}`);
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors(tensors));
  const random = new Random(5);
  save(
    folder,
    "data.npy",
    tensor(
      [40, 2, 8, 8],
      Array.from({ length: 40 * 128 }, () => 2 * random.uniform() - 1),
    ),
  );
  return folder;
}

function save(folder: string, name: string, value: Tensor): void {
  writeFileSync(join(folder, name), writeNpy(value));
}

const rewrite = ["rewrite", "net.hen", "--skips", "dirac", "--data", "data.npy", "-o", "new.hen"];

it("rewrite writes a model without mid-term skips and says how close it is", { timeout: 60_000 }, async () => {
  const folder = folderWithModel();
  const made = await run(folder, ...rewrite);
  expect([made.code, made.err]).toEqual([0, "wrote new.safetensors and new.hen\n"]);
  await expect(made.out).toMatchFileSnapshot("golden/dirac-skips/report.txt");
  const text = readFileSync(join(folder, "new.hen"), "utf8");
  expect(text.match(/= add\(/g)).toHaveLength(2);
  // What the model's target asked for stays, but for another rewriting.
  expect(text).toContain("\ntarget seal {\n  degree = 4096\n  activation relu = polynomial(degree = 2)\n}\n");
  expect((await run(folder, "inspect", "new.hen", "--stop-after", "pack")).code).toBe(0);

  expect((await run(folder, ...rewrite)).err).toContain("SW903");
  const json = await run(folder, ...rewrite, "--force", "--limit", "4", "--json");
  expect(JSON.parse(json.out)).toMatchObject({
    format: "sealwright-rewrite",
    version: 1,
    files: ["new.safetensors", "new.hen"],
    blocks: { length: 6 },
    fitted: { samples: 4, agreeing: 4 },
    heldOut: null,
    skips: { before: { skips: 6 }, after: { skips: 2 } },
  });
});

it("rewrite refuses what it cannot do", async () => {
  const folder = folderWithModel();
  writeFileSync(
    join(folder, "plain.hen"),
    "network plain {\n  input x: [2, 8, 8] in -1 .. 1\n  output y = square(x)\n}\n",
  );
  const [, , ...rest] = rewrite;
  const plain = await run(folder, "rewrite", "plain.hen", ...rest);
  expect([plain.code, plain.err]).toEqual([4, expect.stringContaining("SW243")]);
  const wide = tensor(
    [1, 2, 8, 8],
    Array.from({ length: 128 }, () => 3),
  );
  save(folder, "data.npy", wide);
  const outside = await run(folder, ...rewrite);
  expect([outside.code, outside.err]).toEqual([8, expect.stringContaining("SW683")]);
  expect((await run(folder, ...rewrite, "--clamp")).code).toBe(0);
  expect((await run(folder, "rewrite", "net.hen", "--data", "data.npy", "-o", "a.hen")).code).toBe(2);
});

itWithMaterial("a trained ResNet-20 stays a classifier when its skips go", { timeout: 300_000 }, async () => {
  const folder = temporaryFolder();
  const bytes = readFileSync(materialPath("data", "cifar10", "cifar10_test_eran100.bin"));
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const pixel = (image: number, at: number) => {
    const channel = Math.floor(at / 1024);
    return (bytes[image * 3073 + 1 + at]! / 255 - mean[channel]!) / deviation[channel]!;
  };
  const images = Array.from({ length: 20 * 3072 }, (_, i) => pixel(Math.floor(i / 3072), i % 3072));
  save(folder, "cifar.npy", tensor([20, 3, 32, 32], images));
  const path = materialPath("onnx", "nets", "resnet20_cifar10_akamaster.onnx");
  const flags = ["--skips", "dirac", "--data", "cifar.npy", "--range", "input=-3..3", "-o", "net.hen", "--json"];
  const { code, out } = await run(folder, "rewrite", path, ...flags);
  expect(code).toBe(0);
  const { blocks, fitted, heldOut, skips } = JSON.parse(out);
  expect(blocks).toHaveLength(9);
  expect(fitted.agreeing).toBeGreaterThanOrEqual(14);
  // Without data the network would name the same class for one image in ten.
  expect(heldOut.agreeing).toBeGreaterThanOrEqual(2);
  expect(skips.before).toMatchObject({ skips: 9, liveCiphertexts: 9 });
  expect(skips.after).toMatchObject({ skips: 3, liveCiphertexts: 3, levels: 0, rotations: 0, plainMultiplications: 3 });
});
