import { expect, it } from "vitest";
import { definePass, type Pass } from "../passes/pass.ts";
import { defaultSettings } from "../passes/settings.ts";
import { CompilerBug, Diagnostics, SealwrightError } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { runPasses } from "../src/driver/pass-manager.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";

const start = (): Graph => {
  const out = new GraphBuilder("net");
  const x = out.add({ op: "input", inputs: [], attrs: { shape: [2], range: [0, 1] }, name: "x", span: noSpan });
  out.output("y", out.add({ op: "square", inputs: [x], attrs: {}, name: "y", span: noSpan }));
  return out.build();
};

const context = () => ({ settings: defaultSettings, diagnostics: new Diagnostics() });

/** Puts one more square behind the output. */
const square = (name: string): Pass =>
  definePass({
    name,
    doc: "Squares the output.",
    run: (graph) => {
      const [output] = graph.outputs;
      return rewrite(graph, (node, out, draft) => {
        const id = out.add(draft);
        return node.id === output!.node
          ? out.add({ op: "square", inputs: [id], attrs: {}, name, span: node.span })
          : id;
      });
    },
  });

const broken = definePass({
  name: "break-a-name",
  doc: "Gives two nodes one name.",
  run: (graph) => ({ ...graph, nodes: graph.nodes.map((node) => ({ ...node, name: "x" })) }),
});

const complaining = definePass({
  name: "complain",
  doc: "Reports an error.",
  run: (graph, { diagnostics }) => {
    diagnostics.report("needs-scheme", "nowhere", { op: "square" });
    return graph;
  },
});

it("passes run in order and are watched with their time", () => {
  let clock = 0;
  const seen: unknown[] = [];
  const result = runPasses(start(), [square("a"), square("b")], context(), {
    now: () => clock++,
    after: (pass, graph, milliseconds, index) => seen.push([index, pass.name, graph.nodes.length, milliseconds]),
  });
  expect(seen).toEqual([
    [0, "a", 3, 1],
    [1, "b", 4, 1],
  ]);
  expect(result.nodes.map((node) => node.name)).toEqual(["x", "y", "a", "b"]);
});

it("a run stops after the pass it is told to", () => {
  const result = runPasses(start(), [square("a"), square("b")], { ...context(), stopAfter: "a" });
  expect(result.nodes).toHaveLength(3);
});

it("a pass that breaks a rule of the graph is a bug that names it", () => {
  const run = () => runPasses(start(), [square("a"), broken], context());
  expect(run).toThrow(CompilerBug);
  expect(run).toThrow("pass 'break-a-name' broke a rule: two nodes are called 'x'");
});

it("errors that a pass reports end the run before the next one", () => {
  const seen: string[] = [];
  const run = () =>
    runPasses(start(), [complaining, square("a")], context(), { after: (pass) => seen.push(pass.name) });
  expect(run).toThrow(SealwrightError);
  expect(seen).toEqual([]);
});

it("a pass takes the options given for it, and its defaults for the rest", () => {
  const seen: unknown[] = [];
  const pass = definePass({
    name: "look",
    doc: "Looks at its options.",
    defaults: { depth: 1, width: 2 },
    run: (graph, { options }) => {
      seen.push(options);
      return graph;
    },
  });
  runPasses(start(), [pass], { ...context(), options: new Map([["look", { depth: 5 }]]) });
  expect(seen).toEqual([{ depth: 5, width: 2 }]);
});
