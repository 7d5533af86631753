import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Graph, Node } from "../src/ir/graph.ts";
import { brokenRules, stageOf, verify } from "../src/ir/verify.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { digit, type Layout, layoutOf } from "../src/scheme/layout.ts";
import { bitsOfScale, canonicalScales, type Scheme } from "../src/scheme/parameters.ts";
import { networks } from "./arbitrary.ts";
import { Net } from "./ops-builder.ts";

const scheme: Scheme = {
  degree: 16,
  primes: [1n << 40n, 1n << 30n, 1n << 30n],
  specialPrime: 1n << 41n,
  scaleBits: 30,
  security: 0,
};

function small(): Graph {
  const net = new Net();
  const x = net.input([4]);
  const h = net.op("dense", [x, net.constant([4, 4])]);
  const a = net.op("square", [h]);
  const s = net.op("add", [a, x]);
  return net.graph(net.op("reshape", [s], { shape: [2, 2] }));
}

type Change = { readonly [name: string]: object };

/** The graph with some fields of some nodes (by name) replaced. */
function changed(graph: Graph, changes: Change): Graph {
  return { ...graph, nodes: graph.nodes.map((n) => ({ ...n, ...changes[n.name] }) as Node) };
}

const flat = layoutOf(8, 1, [4], [digit(0, 4, 1)]);
const square2 = layoutOf(8, 1, [2, 2], [digit(1, 2, 1), digit(0, 2, 2)]);
const plan = [{ name: "plan", positional: [], named: { operands: [{ babies: [0] }], giants: [0], folds: [] } }];

function packed(layouts: { readonly [name: string]: Layout } = {}): Graph {
  const graph = small();
  const type = (node: Node, layout: Layout) => ({
    kind: "packed",
    shape: shapeOf(node.type),
    layout,
  });
  return {
    ...graph,
    nodes: graph.nodes.map((n) => {
      if (n.op === "constant") return n;
      const layout = layouts[n.name] ?? (n.op === "reshape" ? square2 : flat);
      return { ...n, type: type(n, layout), annotations: n.op === "dense" ? plan : [] } as Node;
    }),
  };
}

const scales = canonicalScales(scheme);
function leveled(
  levels: { readonly [name: string]: number } = {},
  scaleBits = (l: number) => bitsOfScale(scales[l]!),
): Graph {
  const net = packed();
  const usual: { readonly [name: string]: number } = { x: 2, dense: 1, square: 0, add: 0, reshape: 0 };
  const nodes = net.nodes.map((n) => {
    const level = levels[n.name] ?? usual[n.name]!;
    return n.op === "constant"
      ? n
      : ({ ...n, type: { ...n.type, kind: "leveled", level, scaleBits: scaleBits(level) } } as Node);
  });
  return { ...net, nodes, scheme };
}

/** The sum takes the input at its own level here, as drop_level would bring it there. */
const levelRule = "'add' is at level 0, its operand 'x' at level 2: add keeps the level";

it("sound graphs of each stage pass", () => {
  expect(verify(small())).toBeUndefined();
  expect(verify(packed())).toBeUndefined();
  expect(brokenRules(leveled())).toEqual([levelRule]);
  expect([small(), packed(), leveled()].map(stageOf)).toEqual(["network", "packed", "leveled"]);
});

it("random networks pass", () => {
  fc.assert(
    fc.property(networks(), ({ graph }) => {
      expect(brokenRules(graph)).toEqual([]);
    }),
  );
});

const structural: readonly (readonly [string, Graph, string])[] = [
  ["ids that are not dense", changed(small(), { dense: { id: 7 } }), "node 2 'dense' has id 7"],
  [
    "operands that come later",
    changed(small(), { square: { inputs: [4] } }),
    "'square' reads node 4, which does not come before it",
  ],
  [
    "a node that reads itself",
    changed(small(), { square: { inputs: [3] } }),
    "'square' reads node 3, which does not come before it",
  ],
  ["two nodes of one name", changed(small(), { add: { name: "square" } }), "two nodes are called 'square'"],
  ["a node without a name", changed(small(), { add: { name: "" } }), "node 4 has no name"],
  ["an unknown op", changed(small(), { add: { op: "addd" } }), "'add' has the unknown op 'addd'"],
  ["no outputs", { ...small(), outputs: [] }, "graph 'test' has no outputs"],
  [
    "an output that does not exist",
    { ...small(), outputs: [{ name: "y", node: 9 as never }] },
    "output 'y' is node 9, which does not exist",
  ],
  [
    "two outputs of one name",
    { ...small(), outputs: [...small().outputs, ...small().outputs] },
    "two outputs are called 'y'",
  ],
  [
    "too many operands",
    changed(small(), { square: { inputs: [0, 2] } }),
    "'square': 'square' takes 1 operand(s), got 2",
  ],
  [
    "an encrypted weight",
    changed(small(), { dense: { inputs: [0, 0] } }),
    "'dense': 'weight' of 'dense' must be a constant, got an encrypted value",
  ],
  [
    "an attribute the op does not know",
    changed(small(), { square: { attrs: { by: 2 } } }),
    "'square' has the attribute 'by', which square does not know",
  ],
  ["a missing attribute", changed(small(), { reshape: { attrs: {} } }), "'reshape' lacks the attribute 'shape'"],
  [
    "an attribute out of range",
    changed(small(), { reshape: { attrs: { shape: [2.5] } } }),
    "'shape' of 'reshape' is not in canonical form, allowed is a list of integers from -1 to 2147483647",
  ],
  [
    "an attribute of another type",
    changed(small(), { reshape: { attrs: { shape: "2" } } }),
    "'shape' of 'reshape' is not in canonical form, allowed is a list of integers from -1 to 2147483647",
  ],
  [
    "a wrong shape",
    changed(small(), { square: { type: { kind: "tensor", shape: [5] } } }),
    "'square' has type tensor [5], its operands make [4]",
  ],
  [
    "a constant that is not finite",
    changed(small(), { w: { attrs: { data: { shape: [4, 4], data: new Float64Array(16).fill(Number.NaN) } } } }),
    "'w': element 0 of a 'constant' is NaN, allowed are finite numbers",
  ],
  [
    "a packed value among tensors",
    changed(small(), { square: { type: { kind: "packed", shape: [4], layout: flat } } }),
    "'square' has type packed [4] in \"8 x 1 [4] d0:4@1\" in a graph of stage network",
  ],
  [
    "a packed constant",
    changed(small(), { w: { type: { kind: "packed", shape: [4, 4], layout: flat } } }),
    "constant 'w' has type packed [4, 4] in \"8 x 1 [4] d0:4@1\"",
  ],
  [
    "an HE op among layers",
    changed(small(), { square: { op: "he_square" } }),
    "'square' is a he_square in a graph of stage network",
  ],
];

it.for(structural)("%s are found", ([, graph, message]) => {
  expect(verify(graph, "network")).toBe(message);
});

it("attributes may be given in a form that is not canonical only before they are read", () => {
  const net = new Net();
  const graph = net.graph(net.op("avg_pool", [net.input([1, 4, 4])], { kernel: 2 }));
  expect(verify(changed(graph, { avg_pool: { attrs: { ...graph.nodes[1]!.attrs, kernel: 2 } } }))).toMatch(
    /^'kernel' of 'avg_pool' is not in canonical form/,
  );
});

const spread = layoutOf(8, 1, [4], [digit(0, 4, 2)]);
const wrongLayouts: readonly (readonly [string, Graph, string])[] = [
  [
    "operands of an elementwise layer in other slots",
    packed({ x: spread }),
    "'add' works slot by slot, but operand 'x' has another layout",
  ],
  [
    "a square that moves elements",
    packed({ square: spread, add: flat }),
    "'square' works slot by slot, but operand 'dense' has another layout",
  ],
  [
    "a reshape that moves elements",
    packed({ reshape: layoutOf(8, 1, [2, 2], [digit(0, 2, 1), digit(1, 2, 2)]) }),
    "'reshape' only relabels slots, but an element is not where 'add' has it",
  ],
  [
    "a layout without all elements",
    packed({ dense: layoutOf(8, 1, [4], [digit(0, 3, 1)]) }),
    "the layout of 'dense' leaves out 1 of 4 elements",
  ],
  [
    "a layout with elements of another shape",
    packed({ dense: layoutOf(8, 1, [6], [digit(0, 6, 1)]) }),
    "the layout of 'dense' has element 4, its value only 4",
  ],
  [
    "a layout that puts two elements into one slot",
    packed({ dense: layoutOf(8, 1, [4], [digit(0, 4, 0)]) }),
    "the layout of 'dense' is broken: layout puts elements 0 and 1 at position 0",
  ],
  [
    "another number of slots",
    packed({ dense: layoutOf(16, 1, [4], [digit(0, 4, 1)]) }),
    "'dense' has 16 slots, others have 8",
  ],
  ["a dense layer without a plan", changed(packed(), { dense: { annotations: [] } }), "'dense' needs a plan"],
];

it.for(wrongLayouts)("%s are found", ([, graph, message]) => {
  expect(brokenRules(graph)).toContain(message);
});

it("copies of elements that one operand has and the other lacks are a difference", () => {
  const copied = layoutOf(8, 1, [4], [digit(0, 4, 1), digit("copy", 2, 4)]);
  expect(brokenRules(packed({ x: copied }))).toContain("'add' works slot by slot, but operand 'x' has another layout");
});

const at = (node: string, level: number, operand: string, other: number) =>
  `'${node}' is at level ${level}, its operand '${operand}' at level ${other}`;
const wrongLevels: readonly (readonly [string, Graph, readonly string[]])[] = [
  ["no scheme", (({ scheme: _, ...graph }) => graph)(leveled()), ["a leveled graph names no scheme"]],
  [
    "a level above the chain",
    leveled({ x: 3 }, () => 30),
    [
      "'x' is at level 3, the chain has levels 0 to 2",
      "'add' is at level 0, its operand 'x' at level 3: add keeps the level",
    ],
  ],
  [
    "a scale that is not canonical",
    leveled({}, (l) => bitsOfScale(scales[l]!) + (l === 1 ? 0.5 : 0)),
    ["'dense' has scale 2^30.5, canonical at level 1 is 2^30", levelRule],
  ],
  [
    "a layer with a plan that spends no level",
    leveled({ x: 1 }),
    [
      `${at("dense", 1, "x", 1)}: a layer with a plan spends a level`,
      "'add' is at level 0, its operand 'x' at level 1: add keeps the level",
    ],
  ],
  [
    "a square that spends two levels",
    leveled({ dense: 2, x: 2, square: 0 }),
    [
      `${at("dense", 2, "x", 2)}: a layer with a plan spends a level`,
      `${at("square", 0, "dense", 2)}: a product spends one level`,
      levelRule,
    ],
  ],
  [
    "a view that changes the level",
    leveled({ add: 1, reshape: 0 }),
    [
      `${at("add", 1, "square", 0)}: add keeps the level`,
      `${at("add", 1, "x", 2)}: add keeps the level`,
      `${at("reshape", 0, "add", 1)}: reshape keeps the level`,
    ],
  ],
];

it.for(wrongLevels)("%s is found", ([, graph, messages]) => {
  expect(brokenRules(graph, "leveled")).toEqual(messages);
});

it("a layer with a plan may take its operand from any higher level, and drop_level brings values down", () => {
  const net = new Net();
  const x = net.input([4]);
  const h = net.op("dense", [x, net.constant([4, 4])]);
  const d = net.op("drop_level", [x]);
  const graph = net.graph(net.op("add", [h, d]));
  const levels: { readonly [name: string]: number } = { x: 2, dense: 0, drop_level: 0, add: 0 };
  const make = (own: typeof levels): Graph => ({
    ...graph,
    scheme,
    nodes: graph.nodes.map((n) => {
      if (n.op === "constant") return n;
      const level = own[n.name]!;
      const type = { kind: "leveled", shape: [4], layout: flat, level, scaleBits: bitsOfScale(scales[level]!) };
      return { ...n, type, annotations: n.op === "dense" ? plan : [] } as Node;
    }),
  });
  expect(brokenRules(make(levels))).toEqual([]);
  expect(brokenRules(make({ ...levels, drop_level: 2 }))).toContain(
    `${at("drop_level", 2, "x", 2)}: drop_level goes down`,
  );
});
