import { expect, it } from "vitest";
import { hostOf, parseModel } from "../grammar/index.ts";
import { activationRange, checkRanges } from "../passes/activation-range.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { tensor } from "../src/base/tensor.ts";
import { calibrateRanges } from "../src/driver/calibrate-ranges.ts";
import { readModel } from "../src/driver/read-model.ts";
import type { Graph, Node } from "../src/ir/graph.ts";
import { intervalsOf, lazyIntervals } from "../src/ir/intervals.ts";
import { printGraph } from "../src/ir/print.ts";
import type { LayerRange } from "../src/ir/ranges.ts";

const host = hostOf(new Map([["w", tensor([2, 2], [1, 1, 1, -1])]]));
const text = (activation = "", before = "") => `network m {
  input x: [2, 1, 1] in -1 .. 2
  v = flatten(x)
  h = dense(v, @w)   ${before}
  r = reshape(h, shape = [1, 2])
  a = relu(r)   ${activation}
  output y = a
}
`;

function graphOf(source: string): Graph {
  return readModel({ path: "m.hen", text: source }, host).graph;
}

const named = (graph: Graph, name: string): Node => graph.nodes.find((n) => n.name === name)!;
const data = (low: number, high: number): LayerRange => ({ low, high, origin: "data" });
const never = () => {
  throw new Error("not needed");
};

it("an activation's own range comes first, then its operand's, then what was observed, then bounds", () => {
  const ranges = new Map([["h", data(-0.5, 0.75)]]);
  const at = (source: string, given = ranges) => {
    const graph = graphOf(source);
    return activationRange(graph, named(graph, "a"), { ranges: given, intervals: lazyIntervals(graph) });
  };
  expect(at(text("@range(-3, 5)", "@range(-2, 2)"))).toEqual({ low: -3, high: 5, origin: "stated" });
  expect(at(text("", "@range(-2, 2)"))).toEqual({ low: -2, high: 2, origin: "stated" });
  expect(at(text())).toEqual(data(-0.5, 0.75));
  expect(at(text(), new Map([...ranges, ["r", data(0, 1)]]))).toEqual(data(0, 1));
  expect(at(text(), new Map())).toEqual({ low: -3, high: 4, origin: "intervals" });
});

it("a range at an activation says nothing about its result", () => {
  const graph = graphOf(`network m {
  input x: [2] in -4 .. 4
  a = relu(x)   @range(-3, 5)
  output y = sigmoid(a)
}
`);
  expect(activationRange(graph, named(graph, "y"), { intervals: intervalsOf(graph) })).toMatchObject({
    origin: "intervals",
  });
  expect(activationRange(graph, named(graph, "a"), { intervals: never })).toMatchObject({ low: -3, high: 5 });
});

it("an input's declared range needs no warning", () => {
  const graph = graphOf("network m {\n  input x: [2] in -4 .. 4\n  output y = relu(reshape(x, shape = [1, 2]))\n}\n");
  expect(activationRange(graph, named(graph, "y"), { intervals: never })).toEqual({
    low: -4,
    high: 4,
    origin: "stated",
  });
});

it.for([
  ["@range(5, -3)", "(5, -3)"],
  ["@range(1, 1)", "(1, 1)"],
  ["@range(1)", "(1)"],
  ["@range(low, 2)", "(low, 2)"],
  ["@range(-1e308, 1e308)", "(-1e+308, 1e+308)"],
])("%s is refused where it stands", ([annotation, found]) => {
  const diagnostics = new Diagnostics();
  parseModel({ path: "m.hen", text: text(annotation) }, host, diagnostics);
  expect(diagnostics.all).toHaveLength(1);
  expect(diagnostics.all[0]).toMatchObject({
    id: "SW680",
    exit: 3,
    place: { start: text().indexOf("a = relu(r)") + 14 },
  });
  expect(diagnostics.all[0]!.message).toContain(`found is ${found}`);
});

it("a stated range is printed and reads back", () => {
  const graph = graphOf(text("@range(-3, 5.5)"));
  expect(printGraph(graph)).toContain("@range(-3, 5.5)");
});

it("ranges of another network are refused with the layer that was meant", () => {
  const diagnostics = new Diagnostics();
  const layers = new Map([
    ["hh", data(0, 1)],
    ["other", data(0, 1)],
  ]);
  checkRanges(graphOf(text()), { model: "m", samples: 1, layers, path: "m.ranges.json" }, diagnostics);
  expect(diagnostics.all.map((d) => [d.id, d.exit, d.help])).toEqual([
    ["SW682", 3, "did you mean 'h'?"],
    ["SW682", 3, expect.stringContaining("calibrate-ranges")],
  ]);
  expect(diagnostics.all[0]!.message).toContain("'m.ranges.json' has a range of layer 'hh'");
});

const sample = (...values: number[]) => ({ inputs: new Map([["x", tensor([2, 1, 1], values)]]) });
const source = (content: string) => ({ file: { path: "m.hen", text: content }, host });

it("calibration finds what a network does, and compiling takes it", () => {
  const ranges = calibrateRanges(source(text()), [sample(1, 2), sample(-1, 0.5), sample(2, 2)], { limit: 2 });
  expect(ranges).toMatchObject({ model: "m", samples: 2 });
  expect(ranges.layers.get("h")).toMatchObject({ low: -1.5, high: 3, origin: "data" });
  expect(ranges.layers.get("a")).toMatchObject({ low: 0, high: 3 });
  const model = readModel(source(text()).file, host, { ranges });
  expect(model.settings.ranges).toBe(ranges.layers);
});

it("data outside a declared or a stated range ends a calibration, with the exit code of accuracy", () => {
  const place = { path: "d.npy", part: "sample 7" };
  expect(() => calibrateRanges(source(text()), [{ ...sample(1, 3), place }])).toThrow(
    expect.objectContaining({ first: expect.objectContaining({ code: "data-outside-range", exit: 8, place }) }),
  );
  const clamped = calibrateRanges(source(text()), [sample(1, 3)], { clamp: true });
  expect(clamped.layers.get("x")).toMatchObject({ low: 1, high: 2 });
  for (const [content, what] of [
    [text("@range(-3, 2.5)"), "stated range of the operand of 'a'"],
    [text("", "@range(-3, 2.5)"), "stated range of 'h'"],
  ] as const) {
    const calibrate = () => calibrateRanges(source(content), [sample(1, 2)]);
    expect(calibrate).toThrow(
      expect.objectContaining({ first: expect.objectContaining({ code: "range-not-covering", exit: 8 }) }),
    );
    expect(calibrate).toThrow(what);
  }
  // The range was narrowed after the calibration.
  const ranges = calibrateRanges(source(text()), [sample(1, 2)]);
  expect(() => readModel(source(text("@range(-3, 2.5)")).file, host, { ranges })).toThrow("SW684");
});

it("a calibration needs data", () => {
  expect(() => calibrateRanges(source(text()), [])).toThrow(
    expect.objectContaining({ first: expect.objectContaining({ code: "no-samples" }) }),
  );
});
