import fc from "fast-check";
import { expect, it } from "vitest";
import { hostOf, type ModelHost, parseModel } from "../grammar/index.ts";
import { type Diagnostic, Diagnostics, problem } from "../src/base/diagnostic.ts";
import { positionAt, type Span } from "../src/base/span.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { printGraph } from "../src/ir/print.ts";

const weights = new Map<string, Tensor>([["w", tensor([2, 3], [1, 2, 3, 4, 5, 6])]]);

function read(text: string, host: ModelHost = hostOf(weights)) {
  const diagnostics = new Diagnostics();
  const model = parseModel({ path: "model.hen", text }, host, diagnostics);
  return { model, all: diagnostics.all, graph: model === undefined ? undefined : printGraph(model.graph) };
}

function place({ place }: Diagnostic) {
  const { file, start } = place as Span;
  return positionAt(file, start);
}

const sample = "network n {\n  input x: [3] in 0 .. 1\n  h = dense(x, @w)  # a comment\n\n  output y = square(h)\n}\n";

it.for([
  ["a byte order mark", (text: string) => `\ufeff${text}`],
  ["CRLF line ends", (text: string) => text.replaceAll("\n", "\r\n")],
  ["CR line ends", (text: string) => text.replaceAll("\n", "\r")],
  ["no line end at the end", (text: string) => text.trimEnd()],
  ["tabs", (text: string) => text.replaceAll("  ", "\t")],
  ["semicolons between statements", (text: string) => text.replace(/ *# a comment/, "").replaceAll("\n", ";")],
  ["blank lines and comments everywhere", (text: string) => text.replaceAll("\n", "\n\n  # note\n")],
] as const)("reads a text with %s like any other", ([, change]) => {
  expect(read(change(sample)).graph).toBe(read(sample).graph);
});

it.for([
  ["LF", "\n"],
  ["CRLF", "\r\n"],
] as const)("counts lines from 1 and columns in code points behind a byte order mark, with %s", ([, end]) => {
  const { all } = read(
    `\ufeff# 😀\n  network n {\n  input x: [3]\n  h = square(y)\n  output y = x\n}`.replaceAll("\n", end),
  );
  expect(all.map((d) => d.id)).toEqual(["SW120"]);
  expect(place(all[0]!)).toEqual({ line: 4, column: 14 });
});

it("points a byte order mark's file at the right column of its first line", () => {
  const { all } = read("\ufeffnetwork n { output y = z }");
  expect(place(all[0]!)).toEqual({ line: 1, column: 24 });
});

it.for(["", "\ufeff", "# only a comment", "\n\n \t\n", "\ufeff# both"])(
  "says that a text without a network holds none: %j",
  (text) => {
    expect(read(text).all.map((d) => d.id)).toEqual(["SW101"]);
  },
);

it.for([
  ["UTF-16 little endian", "n\0e\0t\0"],
  ["a binary file", "\u007fELF\0\0"],
  ["invalid UTF-8", "network n { } # \ufffd"],
])("refuses %s with one error", ([, text]) => {
  expect(read(text!).all.map((d) => d.id)).toEqual(["SW102"]);
});

it("keeps names of objects' own properties apart from names of a model", () => {
  const { graph } = read(
    "network n {\n input constructor: [3]\n toString = square(constructor)\n __proto__ = square(toString)\n output hasOwnProperty = __proto__\n}",
  );
  expect(graph).toContain("__proto__: tensor [3] = square(toString)");
  expect(read("network n {\n input x: [3]\n output y = toString(x)\n}").all.map((d) => d.id)).toEqual(["SW127"]);
  expect(read("network n {\n input x: [3]\n output y = square(x, __proto__ = 1)\n}").all.map((d) => d.id)).toEqual([
    "SW128",
  ]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it("keeps a record key called __proto__ as a key", () => {
  const { model } = read(
    "graph g {\n x = input(shape = [3])  @layout({ __proto__ = { polluted = true } })\n output y = x\n}",
  );
  const [value] = model!.graph.nodes[0]!.annotations[0]!.positional;
  expect(Object.keys(value as object)).toEqual(["__proto__"]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it("gives nodes the place the user wrote, and nodes of a block the call as well", () => {
  const text =
    "network n {\n  input x: [3]\n  block f(v) {\n    return square(v)\n  }\n  y = f(x)\n  output out = negate(y)\n}\n";
  const [, square, negate] = read(text).model!.graph.nodes;
  const shown = ({ file, start, end }: Span) => file.text.slice(start, end);
  expect(shown(square!.span)).toBe("square(v)");
  expect(shown(square!.span.caller!)).toBe("f(x)");
  expect(shown(negate!.span)).toBe("output out = negate(y)");
  expect(negate!.span.caller).toBeUndefined();
});

it("asks the host for a weights file once, and says once that it cannot be had", () => {
  const asked: (string | undefined)[] = [];
  const host: ModelHost = {
    weights(path) {
      asked.push(path);
      return problem("no-such-file", { path: path ?? "" });
    },
    source: () => problem("no-such-file", { path: "" }),
  };
  const { all } = read(
    'network n {\n weights "gone.safetensors"\n input x: [3]\n h = dense(x, @a)\n output y = dense(h, @b)\n}',
    host,
  );
  expect(asked).toEqual(["gone.safetensors"]);
  expect(all.map((d) => d.code)).toEqual(["no-such-file"]);
});

it("never asks for weights that no layer names", () => {
  const host: ModelHost = {
    weights: () => {
      throw new Error("asked");
    },
    source: () => problem("no-such-file", { path: "" }),
  };
  expect(read("network n {\n input x: [3]\n output y = square(x)\n}", host).model).toBeDefined();
});

it("reports a weight that cannot be read where it is named", () => {
  const host: ModelHost = {
    weights: () => ({ names: ["w"], tensor: () => problem("no-such-file", { path: "w.npy" }) }),
    source: () => problem("no-such-file", { path: "" }),
  };
  const { all } = read("network n {\n input x: [3]\n h = dense(x, @w)\n output y = dense(x, @w)\n}", host);
  expect(all.map((d) => [d.code, place(d).line])).toEqual([
    ["no-such-file", 3],
    ["no-such-file", 4],
  ]);
});

it("reads the settings of a target as data", () => {
  const { model } = read(
    `${sample}target seal {\n  precision = 12 bits\n  activation relu = polynomial(degree = 7)\n  activation gelu = client\n  names = ["a", b, -3, true]\n}\n`,
  );
  expect(model!.targets.map((t) => t.entries.map(({ key, value }) => [key, value]))).toEqual([
    [
      ["precision", 12],
      ["activation.relu", { call: "polynomial", degree: 7 }],
      ["activation.gelu", "client"],
      ["names", ["a", "b", -3, true]],
    ],
  ]);
});

it("survives any text: it reads it or reports something, never both nor neither", () => {
  const pieces = fc.constantFrom(
    ...'network graph block repeat input output return weights import target scheme next in x y h square dense @w @prune { } ( ) [ ] , = : .. + - * 1 0.5 1e999 0x1 "t" "{x}" " ` # \\ ? é а true'.split(
      " ",
    ),
    "\n",
    "\n  ",
    "network n {\n",
    "input x: [3]\n",
    "output y = x\n",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), (words) => {
      const { model, all } = read(words.join(" "));
      expect(all.some((d) => d.severity === "error")).toBe(model === undefined);
    }),
    { numRuns: 2000 },
  );
});

it("survives a good text with a part cut out or doubled, and never reports more than a few errors for it", () => {
  const text =
    "network n {\n  input x: [3] in 0 .. 1\n  block f(v, s = 2) {\n    c = dense(v, weight = @w)\n    return square(c) * s\n  }\n  a = f(x)\n  repeat i in 1 .. 2 {\n    t = negate(a)\n    next a = t + a\n  }\n  output y = a\n}\ntarget seal {\n  precision = 12 bits\n}\n";
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(12), fc.boolean(), (at, length, doubled) => {
      const changed = doubled
        ? text.slice(0, at + length) + text.slice(at)
        : text.slice(0, at) + text.slice(at + length);
      const { model, all } = read(changed);
      const errors = all.filter((d) => d.severity === "error").length;
      expect(errors > 0).toBe(model === undefined);
      expect(errors).toBeLessThanOrEqual(4);
    }),
    { numRuns: 2000 },
  );
});
