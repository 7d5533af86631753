import { expect, it } from "vitest";
import { hostOf, parseModel } from "../grammar/index.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { limits } from "../src/base/limits.ts";

function read(text: string, files: ReadonlyMap<string, string> = new Map()) {
  const diagnostics = new Diagnostics();
  const model = parseModel({ path: "model.hen", text }, hostOf(new Map(), files), diagnostics);
  return {
    model,
    ids: diagnostics.all.map((d) => d.id),
    exits: diagnostics.all.map((d) => d.exit),
    all: diagnostics.all,
  };
}

const network = (...lines: string[]) => `network n {\n  input x: [3]\n${lines.join("\n")}\n  output out = x\n}\n`;
const chain = (count: number) =>
  network(...Array.from({ length: count }, (_, i) => `  h${i}: tensor [3] = add(${i === 0 ? "x" : `h${i - 1}`}, x)`));

it.for([
  ["parentheses", "(", "1", ")"],
  ["lists", "[", "1", "]"],
  ["calls", "square(", "x", ")"],
  ["records", "{ a = ", "1", "}"],
])("refuses 100,000 nested %s with a limit error and no stack overflow", ([, open, inner, close]) => {
  const { ids, exits } = read(network(`  y = ${open!.repeat(100_000)}${inner}${close!.repeat(100_000)}`));
  expect(ids).toEqual(["SW116"]);
  expect(exits).toEqual([5]);
});

it.for([
  ["parentheses", "(", "1", ")"],
  ["lists", "[", "1", "]"],
  ["calls", "square(", "x", ")"],
  ["records", "{ a = ", "1", "}"],
  ["sums", "x + (", "x", ")"],
])("reads %s nested as deep as the limit", ([, open, inner, close]) => {
  const depth = limits.nesting - 1;
  expect(read(network(`  y = ${open!.repeat(depth)}${inner}${close!.repeat(depth)}`)).ids).toEqual([]);
});

it("refuses blocks nested too deep in the text", () => {
  const depth = 50_000;
  const text = network(
    `${Array.from({ length: depth }, (_, i) => `block b${i}(v${i}) {\n`).join("")}${"}\n".repeat(depth)}`,
  );
  expect(read(text).ids).toEqual(["SW116"]);
});

it("reads blocks nested as deep as the limit", () => {
  const depth = limits.nesting - 2;
  const open = Array.from({ length: depth }, (_, i) => `block b${i}(v${i}) {\n`).join("");
  const close = Array.from({ length: depth }, (_, i) => `return v${depth - 1 - i}\n}\n`).join("");
  expect(read(network(`${open}${close}`)).ids).toEqual([]);
});

it("refuses calls of blocks that open too deep, however the expressions between them look", () => {
  const wrap = (inner: string) => `${"-(0 + ".repeat(45)}${inner}${")".repeat(45)}`;
  const blocks = Array.from(
    { length: 1000 },
    (_, i) => `  block b${i}(v) { return ${wrap(i === 0 ? "1" : `b${i - 1}(v)`)} }`,
  );
  const { ids, exits } = read(network(...blocks, "  y = b999(1)"));
  expect(ids).toEqual(["SW153"]);
  expect(exits).toEqual([5]);
});

it("refuses chains of blocks that open a thousand deep", () => {
  const blocks = Array.from(
    { length: 1000 },
    (_, i) => `  block b${i}(v) { return ${i === 0 ? "v" : `b${i - 1}(v)`} }`,
  );
  expect(read(network(...blocks, "  y = b999(x)")).ids).toEqual(["SW153"]);
});

it("ends blocks that double with every level", () => {
  const blocks = Array.from({ length: 60 }, (_, i) => `  block b${i + 1}(v) { return b${i}(b${i}(v)) }`);
  const { ids, exits } = read(network("  block b0(v) { return v }", ...blocks, "  y = b60(1)"));
  expect(ids).toEqual(["SW117"]);
  expect(exits).toEqual([5]);
});

it("refuses a repeat with more rounds than there may be statements before it begins", () => {
  const start = performance.now();
  expect(read(network(`  repeat i in 1 .. ${Number.MAX_SAFE_INTEGER} {`, "    s = square(x)", "  }")).ids).toEqual([
    "SW117",
  ]);
  expect(performance.now() - start).toBeLessThan(2000);
});

it("takes a chain of a hundred thousand minus signs and of as many sums", () => {
  const { model } = read(
    network(`  y = ${"-".repeat(100_001)}3`, `  z = x${" + x".repeat(10_000)}`, `  n = 1${" + 1".repeat(100_000)}`),
  );
  expect(model!.graph.nodes).toHaveLength(10_001);
});

it("refuses a text beyond the limit before it reads it", () => {
  const { ids, exits } = read(`${network()}${" ".repeat(limits.sourceLength)}`);
  expect(ids).toEqual(["SW115"]);
  expect(exits).toEqual([5]);
});

it("refuses a thousand imports", () => {
  const files = new Map(Array.from({ length: 1000 }, (_, i) => [`f${i}.hen`, `block b${i}(v) { return v }`]));
  const imports = [...files.keys()].map((path) => `import "${path}"`).join("\n");
  const { ids, exits } = read(`${imports}\n${network()}`, files);
  expect(new Set(ids)).toEqual(new Set(["SW154"]));
  expect(exits[0]).toBe(5);
});

it("reports at most 20 errors, quickly, in a text of nothing but mistakes", () => {
  const start = performance.now();
  const { all } = read(Array.from({ length: 50_000 }, (_, i) => `) ]a${i} = ( ? " 0x1 = {`).join("\n"));
  expect(all.filter((d) => d.severity === "error").length).toBeLessThanOrEqual(20);
  expect(performance.now() - start).toBeLessThan(20_000);
});

it("reads a line of a megabyte", () => {
  const { model } = read(network(`  p = polynomial(x, [${"0.25, ".repeat(200)}0.25])  # ${"long ".repeat(200_000)}`));
  expect(model!.graph.nodes).toHaveLength(2);
});

it("reads five times the text in about five times the time", () => {
  const time = (count: number) => {
    const text = chain(count);
    const start = performance.now();
    expect(read(text).model!.graph.nodes).toHaveLength(count + 1);
    return performance.now() - start;
  };
  time(10_000);
  const [small, large] = [Math.min(time(10_000), time(10_000)), time(50_000)];
  // Quadratic work would be 25 times.
  expect(large / small).toBeLessThan(15);
});

it("takes time in proportion to blank lines, comments and commas too", () => {
  const time = (count: number) => {
    const text = network(
      `${"\n".repeat(count)}${"# comment\n".repeat(count)}  p = polynomial(x, [${"0.5, ".repeat(255)}])${";".repeat(count)}`,
    );
    const start = performance.now();
    expect(read(text).model).toBeDefined();
    return performance.now() - start;
  };
  time(20_000);
  expect(time(200_000) / Math.max(1, Math.min(time(40_000), time(40_000)))).toBeLessThan(15);
});
