import * as fc from "fast-check";
import { expect, it } from "vitest";
import { hostOf, parseModel } from "../grammar/index.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { renderDiagnostic } from "../src/base/render.ts";
import { noSpan, positionAt } from "../src/base/span.ts";
import { tensor } from "../src/base/tensor.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, Node } from "../src/ir/graph.ts";
import { normalNetwork } from "../src/ir/normal-network.ts";
import { printNetwork } from "../src/ir/print-network.ts";
import { networks } from "./arbitrary.ts";

function read(text: string, tensors: Parameters<typeof hostOf>[0]): Graph {
  const diagnostics = new Diagnostics();
  const model = parseModel({ path: "network.hen", text }, hostOf(tensors), diagnostics);
  expect(diagnostics.all.map(renderDiagnostic)).toEqual([]);
  return model!.graph;
}

/** Spans are not part of what a text says. */
function withoutSpans(graph: Graph) {
  return { ...graph, nodes: graph.nodes.map(({ span: _, ...node }) => node) };
}

function expectRoundTrip(graph: Graph): string {
  const { text, tensors, starts } = printNetwork(graph, "network.safetensors");
  const back = read(text, tensors);
  expect(withoutSpans(back)).toEqual(withoutSpans(graph));
  const offsets = back.nodes.flatMap(({ id, span }) => (starts.has(id) ? [[id, span.start]] : []));
  expect(offsets).toEqual([...starts]);
  return text;
}

it("reads back the text of every network, node for node", () => {
  fc.assert(
    fc.property(networks({ maxLayers: 10 }), ({ graph }) => {
      expectRoundTrip(graph);
    }),
    { numRuns: 300 },
  );
});

it("a network in normal form has all constants inside the layers that use them, and means the same", () => {
  fc.assert(
    fc.property(networks({ maxLayers: 10 }), ({ graph }) => {
      const normal = normalNetwork(graph);
      const text = expectRoundTrip(normal);
      expect(text).not.toContain("constant(");
      expect(normalNetwork(normal)).toEqual(normal);
      const layers = (g: Graph) => g.nodes.filter((n) => n.op !== "constant").map((n) => [n.name, n.op, n.type]);
      expect(layers(normal)).toEqual(layers(graph));
      expect(normal.outputs.map((o) => o.name)).toEqual(graph.outputs.map((o) => o.name));
    }),
    { numRuns: 200 },
  );
});

type Draft = readonly [op: Node["op"], name: string, inputs: readonly string[], attrs: object];

/** A network from its nodes; operands by name. Inputs are [1, 4, 4] images. */
function network(drafts: readonly Draft[], outputs: { readonly [name: string]: string }): Graph {
  const g = new GraphBuilder("net");
  const ids = new Map(drafts.map(([op, name, inputs, attrs]) => [name, [op, inputs, attrs] as const]));
  const made = new Map<string, ReturnType<typeof g.add>>();
  for (const [name, [op, inputs, attrs]] of ids) {
    const operands = inputs.map((input) => made.get(input)!);
    made.set(name, g.add({ op, inputs: operands, attrs, name, span: noSpan } as never));
  }
  for (const [name, node] of Object.entries(outputs)) g.output(name, made.get(node)!);
  return g.build();
}

const image: Draft = ["input", "image", [], { shape: [1, 4, 4], range: [0, 1] }];
const kernel: Draft = ["constant", "k", [], { data: tensor([1, 1, 1, 1], [2]) }];
const conv = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };

it("writes what a person would: weights in place, short attributes, no defaults", () => {
  const text = expectRoundTrip(
    network(
      [
        image,
        ["constant", "conv.weight", [], { data: tensor([8, 1, 3, 3], new Float64Array(72)) }],
        ["constant", "conv.bias", [], { data: tensor([8], new Float64Array(8)) }],
        ["conv2d", "c", ["image", "conv.weight", "conv.bias"], { ...conv, stride: [2, 2], pad: [1, 1, 1, 1] }],
        ["avg_pool", "p", ["c"], { kernel: [2, 2], stride: [0, 0], pad: [1, 0, 1, 0], count_include_pad: false }],
        ["constant", "half.right", [], { data: tensor([], [0.5]) }],
        ["multiply", "half", ["p", "half.right"], {}],
        ["flatten", "logits", ["half"], {}],
      ],
      { logits: "logits" },
    ),
  );
  expect(text).toBe(`network net {
  weights "network.safetensors"
  input image: [1, 4, 4] in 0 .. 1

  c = conv2d(image, weight = @conv.weight, bias = @conv.bias, stride = 2, pad = 1)   # [8, 2, 2]
  p = avg_pool(c, kernel = 2, pad = [1, 0])   # [8, 2, 1]
  half = multiply(p, 0.5)
  output logits = flatten(half)   # [16]
}
`);
});

it("a network without large weights names no weights file", () => {
  const text = expectRoundTrip(network([image, ["square", "y", ["image"], {}]], { y: "y" }));
  expect(text).not.toContain("weights");
});

it("starts are those of the lines", () => {
  const graph = network([image, ["square", "y", ["image"], {}]], { y: "y" });
  const { text, starts } = printNetwork(graph, "w.safetensors");
  expect([...starts.values()].map((start) => positionAt({ path: "", text }, start).line)).toEqual([2, 4]);
});

it("a constant that is an output, has no user, or has an output's name gets a statement of its own", () => {
  for (const outputs of [{ y: "y", k: "k" }, { y: "image" }, { y: "y", z: "k" }]) {
    expect(expectRoundTrip(network([image, kernel, ["square", "y", ["image"], {}]], outputs))).toContain(
      "k = constant(",
    );
  }
  const taken = network([image, kernel, ["conv2d", "y", ["image", "k"], conv]], { k: "y" });
  expect(expectRoundTrip(taken)).toContain(
    "  k = constant(data = [[[[2]]]])   # [1, 1, 1, 1]\n  y = conv2d(image, weight = k)\n  output k = y\n",
  );
});

it("constants that stand elsewhere than right before their first user get statements of their own", () => {
  const early = network([kernel, image, ["square", "x", ["image"], {}], ["conv2d", "y", ["x", "k"], conv]], { y: "y" });
  expect(expectRoundTrip(early)).toContain("k = constant(");
  expect(expectRoundTrip(normalNetwork(early))).toContain("output y = conv2d(x, weight = [[[[2]]]])");
});

it("a weight that several layers share is one constant, and numbers that two layers share keep their name", () => {
  const shared = normalNetwork(
    network([kernel, image, ["conv2d", "x", ["image", "k"], conv], ["conv2d", "y", ["x", "k"], conv]], { y: "y" }),
  );
  expect(expectRoundTrip(shared)).toContain("x = conv2d(image, weight = @k)\n  output y = conv2d(x, weight = @k)");
});

it("outputs that the order of layers does not fit, or that have other names, stand at the end", () => {
  const text = expectRoundTrip(
    network([image, ["square", "a", ["image"], {}], ["square", "b", ["a"], {}], ["square", "c", ["b"], {}]], {
      b: "b",
      a: "a",
      c: "c",
      x: "image",
      again: "b",
    }),
  );
  expect(text).toContain(
    "  a = square(image)\n  output b = square(a)\n  c = square(b)\n  output a = a\n  output c = c\n",
  );
});

it("marked constants take no layer's name", () => {
  const g = new GraphBuilder("net");
  const x = g.add({ op: "input", inputs: [], attrs: { shape: [2], range: [0, 1] }, name: "x", span: noSpan });
  const constant = (name: string, numbers: readonly number[]) =>
    g.add({ op: "constant", inputs: [], attrs: { data: tensor([2], numbers) }, name, span: noSpan });
  const y = g.add({ op: "add", inputs: [x, constant("@y", [1, 2])], attrs: {}, name: "y", span: noSpan });
  const z = g.add({ op: "add", inputs: [y, constant("@w", [3, 4])], attrs: {}, name: "z", span: noSpan });
  g.output("z", z);
  const normal = normalNetwork(g.build());
  expect(normal.nodes.map((n) => n.name)).toEqual(["x", "y.right", "y", "w", "z"]);
  expectRoundTrip(normal);
});

it("names that are no plain words come back", () => {
  const odd: Draft[] = [
    ["input", "input", [], { shape: [2], range: [-1e-7, 1e21] }],
    ["constant", "a weight", [], { data: tensor([2], [-0, 5e-324]) }],
    ["add", "`{x}`", ["input", "a weight"], {}],
  ];
  expectRoundTrip(network(odd, { "output 1": "`{x}`", repeat: "input" }));
});
