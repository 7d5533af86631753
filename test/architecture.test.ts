import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const folders = ["src", "grammar", "passes"];
const files = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name)),
);
const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));

/** What each part may import besides itself (design, section 9). */
const base = ["base"];
const scheme = [...base, "scheme"];
const ops = [...scheme, "ops"];
const ir = [...ops, "ir"];
const middle = [...ir, "packing", "weights"];
const late = [...middle, "grammar", "onnx", "passes", "plan", "train"];
const allowed: { readonly [part: string]: readonly string[] } = {
  base: [],
  scheme: base,
  weights: base,
  packing: scheme,
  ops: scheme,
  ir: ops,
  grammar: [...ir, "weights"],
  onnx: [...ir, "weights"],
  passes: [...ir, "packing"],
  plan: middle,
  seal: [...middle, "plan"],
  train: [...ir, "weights"],
  driver: [...late, "seal"],
  report: [...late, "driver"],
  cli: [...late, "seal", "driver", "report"],
  index: [...late, "seal", "driver", "report"],
};

/** The one folder that may import each package. */
const homes: { readonly [name: string]: string } = {
  chevrotain: "grammar",
  "node-seal": "seal",
  "onnx-proto": "onnx",
  commander: "cli",
};

function partOf(file: string): string {
  const [first, second] = file.split("/");
  return first === "src" ? second!.replace(/\.ts$/, "") : first!;
}

function importsOf(file: string): string[] {
  const pattern = /^(?:import|export)\s(?:[^"';]*?\bfrom\s)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return [...texts.get(file)!.matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

it("imports go one way", () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((name) => name.startsWith("."))
      .map((name) => partOf(normalize(join(dirname(file), name))))
      .filter((part) => part !== partOf(file) && !allowed[partOf(file)]?.includes(part))
      .map((part) => `${file} imports ${part}`),
  );
  expect(wrong).toEqual([]);
});

it("every part has its place in the import order", () => {
  expect([...new Set(files.map(partOf))].filter((part) => !(part in allowed))).toEqual([]);
});

it("each package is imported by one folder only", () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((name) => !name.startsWith(".") && !name.startsWith("node:"))
      .filter((name) => homes[name.split("/")[0]!] !== partOf(file))
      .map((name) => `${file} imports ${name}`),
  );
  expect(wrong).toEqual([]);
});

it("only the command line touches files, the console and the process", () => {
  const modules = /"node:(?:fs|child_process|process|readline|tty|http|https|net)[/"]/;
  const globals = /\bconsole\.\w|\bprocess\.\w/;
  const wrong = files.filter((file) => {
    const part = partOf(file);
    const code = texts.get(file)!.replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, "");
    return part !== "cli" && (modules.test(code) || globals.test(code));
  });
  expect(wrong).toEqual([]);
});

it("only the runner of SEAL and the command line start threads", () => {
  const wrong = files.filter(
    (file) => importsOf(file).includes("node:worker_threads") && !["seal", "cli"].includes(partOf(file)),
  );
  expect(wrong).toEqual([]);
});

it("relative imports name files that exist", () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((name) => name.startsWith("."))
      .filter((name) => !texts.has(normalize(join(dirname(file), name))))
      .map((name) => `${file} imports ${name}`),
  );
  expect(wrong).toEqual([]);
});

it("no file is longer than 400 lines", () => {
  const long = files.filter((file) => texts.get(file)!.trimEnd().split("\n").length > 400);
  expect(long).toEqual([]);
});

it("no file is a drawer for everything", () => {
  const drawers = files.filter((file) => /^(?:utils?|helpers?|common|misc|shared)\b/i.test(basename(file)));
  expect(drawers).toEqual([]);
});

it("a pass file is named after its pass", () => {
  const wrong = files.filter((file) => {
    const name = /definePass\(\{\s*name: "([^"]+)"/.exec(texts.get(file)!)?.[1];
    return name !== undefined && relative("passes", file) !== `${name}.ts`;
  });
  expect(wrong).toEqual([]);
});
