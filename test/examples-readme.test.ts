import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { readExample } from "../examples/models.ts";
import { digitsModel } from "../examples/onnx/digits-model.ts";
import { writeOnnx } from "../examples/onnx/write-onnx.ts";
import { parseModel } from "../grammar/index.ts";
import { exit } from "../src/base/codes.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { compileOnnx } from "../src/driver/compile.ts";
import { importOnnx } from "../src/driver/import-onnx.ts";
import { printGraph } from "../src/ir/print.ts";
import { noFiles } from "./onnx-bytes.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

function parsed(text: string) {
  const { file, host } = readExample("digits");
  const diagnostics = new Diagnostics();
  const model = parseModel({ path: file.path, text }, host, diagnostics);
  expect(diagnostics.all).toEqual([]);
  return {
    graph: printGraph(model!.graph),
    settings: model!.targets.map(({ entries }) => entries.map((e) => [e.key, e.value])),
  };
}

it("the model in the README is the example it names", () => {
  const shown = /```\n(network digits [^`]*)```/.exec(readme)?.[1];
  expect(parsed(shown!)).toEqual(parsed(readExample("digits").file.text));
});

it("the ONNX walk-through in the README shows what the example gives", () => {
  const source = {
    onnx: writeOnnx(digitsModel()),
    path: "digits.onnx",
    host: noFiles,
    options: { ranges: new Map([["image", [0, 16] as const]]) },
  };
  expect(readme).toContain(`\`\`\`\n${importOnnx(source, "digits.safetensors").text}\`\`\``);
  const { rotations, galoisKeys } = compileOnnx(source, { overrides: new Map([["precision", 7]]) }).plan.cost.totals;
  const walk = readme.slice(readme.indexOf("**Bring an ONNX model.**"));
  expect(walk).toContain(`${rotations} rotations, ${galoisKeys} Galois keys`);
});

it("the README lists every exit code", () => {
  const listed = [...readme.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap((match) => match[1]!.split(", ").map(Number));
  expect(listed).toEqual([...Object.values(exit), 130, 143]);
});
