import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { readExample } from "../examples/models.ts";
import { parseModel } from "../grammar/index.ts";
import { exit } from "../src/base/codes.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { printGraph } from "../src/ir/print.ts";

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

it("the README lists every exit code", () => {
  const listed = [...readme.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap((match) => match[1]!.split(", ").map(Number));
  expect(listed).toEqual([...Object.values(exit), 130, 143]);
});
