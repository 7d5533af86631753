import fc from "fast-check";
import { expect, it } from "vitest";
import { hostOf, parseModel } from "../grammar/index.ts";
import { blockSizes } from "../src/base/circulant.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { renderDiagnostic } from "../src/base/render.ts";
import { noSpan } from "../src/base/span.ts";
import { elementCount, type Shape, tensor } from "../src/base/tensor.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Annotation, Graph, NodeId } from "../src/ir/graph.ts";
import { graphTensors, printGraph, printNode } from "../src/ir/print.ts";
import { keywords } from "../src/ir/print-value.ts";
import { groupKinds } from "../src/ir/weight-groups.ts";
import type { AttrValue } from "../src/ops/attributes.ts";
import { digit, layoutOf } from "../src/scheme/layout.ts";
import { bitsOfScale, canonicalScales, type Scheme } from "../src/scheme/parameters.ts";

function read(graph: Graph): Graph {
  const diagnostics = new Diagnostics();
  const file = { path: "dump.hen", text: printGraph(graph) };
  const model = parseModel(file, hostOf(graphTensors(graph)), diagnostics);
  expect(diagnostics.all.filter((d) => d.severity === "error").map(renderDiagnostic)).toEqual([]);
  return model!.graph;
}

/** Spans are not part of what a text says. */
function withoutSpans(graph: Graph) {
  return { ...graph, nodes: graph.nodes.map(({ span: _, ...node }) => node) };
}

function expectRoundTrip(graph: Graph): void {
  const back = read(graph);
  expect(withoutSpans(back)).toEqual(withoutSpans(graph));
  expect(printGraph(back)).toBe(printGraph(graph));
}

const numbers = fc.double({ noNaN: true, noDefaultInfinity: true });
const names = fc.oneof(
  fc.string({ minLength: 1, unit: "binary" }),
  fc.constantFrom(
    ...keywords,
    "__proto__",
    "constructor",
    "a.b.0",
    "0.weight",
    "a b",
    "`",
    '"',
    "\\",
    "{x}",
    "\n",
    "\ud800",
    "é",
  ),
);
const shapes: fc.Arbitrary<Shape> = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });
const tensors = shapes.chain((shape) =>
  fc
    .array(numbers, { minLength: elementCount(shape), maxLength: elementCount(shape) })
    .map((data) => tensor(shape, data)),
);
const data: fc.Arbitrary<AttrValue> = fc.letrec<{ value: AttrValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    numbers,
    fc.string({ unit: "binary" }),
    fc.boolean(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(names, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;
const annotations: fc.Arbitrary<Annotation[]> = fc.uniqueArray(
  fc.oneof(
    fc.record({
      name: fc.constant("prune"),
      positional: fc.array(fc.constantFrom(...groupKinds), { maxLength: 1 }),
      named: fc.record({ keep: fc.double({ min: 2 ** -20, max: 1 }) }, { requiredKeys: [] }),
    }),
    fc.record({
      name: fc.constant("circulant"),
      positional: fc.constant([]),
      named: fc.record({ block: fc.constantFrom(...blockSizes) }),
    }),
    fc.record({ name: fc.constant("layout"), positional: fc.array(data, { maxLength: 1 }), named: fc.constant({}) }),
    fc.record({
      name: fc.constant("plan"),
      positional: fc.constant([]),
      named: fc.record({ operands: data, folds: data, giants: data, pairs: data }),
    }),
  ),
  { selector: (a) => a.name, maxLength: 3 },
);

interface Seed {
  readonly name: string;
  readonly pick: number;
  readonly kind: number;
  readonly annotations: readonly Annotation[];
}

const seeds = fc.array(
  fc.record({
    name: names,
    pick: fc.nat(),
    kind: fc.nat(),
    annotations: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, annotations),
  }),
  { minLength: 1, maxLength: 12 },
);

const scheme: Scheme = {
  degree: 8192,
  primes: [1152921504606830593n, 1099511480321n, 1099511562241n],
  specialPrime: 1152921504606748673n,
  scaleBits: 40,
  security: 128,
};

/** A network of elementwise layers, constants of any shape and dead nodes; `stage` states packed or leveled types. */
function networkOf(
  name: string,
  list: readonly Seed[],
  weights: readonly ReturnType<typeof tensor>[],
  stage: "tensor" | "packed" | "leveled",
): Graph {
  const scales = canonicalScales(scheme);
  const layout = layoutOf(4096, 1, [2, 3], [digit(1, 3, 1), digit(0, 2, 4), digit("copy", 2, 8)]);
  const g = new GraphBuilder(name, stage === "leveled" ? scheme : undefined);
  const typed = (level: number) =>
    stage === "tensor"
      ? {}
      : stage === "packed"
        ? { type: { kind: "packed", shape: [2, 3], layout } as const }
        : { type: { kind: "leveled", shape: [2, 3], layout, level, scaleBits: bitsOfScale(scales[level]!) } as const };
  const values: NodeId[] = [
    g.add({
      op: "input",
      inputs: [],
      attrs: { shape: [2, 3], range: [-0.1, 1e21] },
      name: "input",
      span: noSpan,
      ...typed(2),
    }),
  ];
  for (const [i, w] of weights.entries()) {
    g.add({ op: "constant", inputs: [], attrs: { data: w }, name: `w${i}.weight`, span: noSpan });
  }
  for (const { name: wanted, pick, kind, annotations: wishes } of list) {
    const x = values[pick % values.length]!;
    const y = values[(pick >> 3) % values.length]!;
    const common = { name: wanted, span: noSpan, annotations: wishes, ...typed(kind % 3) };
    switch (kind % 5) {
      case 0:
        values.push(g.add({ op: "square", inputs: [x], attrs: {}, ...common }));
        break;
      case 1:
        values.push(g.add({ op: "add", inputs: [x, y], attrs: {}, ...common }));
        break;
      case 2:
        values.push(
          g.add({
            op: "polynomial",
            inputs: [x],
            attrs: { coeffs: [pick / 7, -0, 5e-324, 1e300, 2 ** 60], chebyshev: pick % 2 === 0 ? [] : [-1 / 3, pick] },
            ...common,
          }),
        );
        break;
      case 3:
        values.push(g.add({ op: "multiply", inputs: [x, y], attrs: {}, ...common }));
        break;
      default:
        values.push(g.add({ op: "reshape", inputs: [x], attrs: { shape: [2, 3] }, ...common }));
    }
  }
  g.output(name, values.at(-1)!);
  g.output(`${name} too`, values[0]!);
  return g.build();
}

it.for(["tensor", "packed", "leveled"] as const)("reads back every printed graph of %s values", (stage) => {
  fc.assert(
    fc.property(names, seeds, fc.array(tensors, { maxLength: 3 }), (name, list, weights) => {
      expectRoundTrip(networkOf(name, list, weights, stage));
    }),
    { numRuns: 150 },
  );
});

/** An HE program of any ops the level still allows. */
function programOf(list: readonly Seed[], weights: readonly ReturnType<typeof tensor>[], settings: AttrValue): Graph {
  const g = new GraphBuilder("program", scheme);
  const scales = canonicalScales(scheme);
  const layout = "4096 x 1 [4] d0:4@1";
  const attrs = { input: "x", part: 0, level: 2, shape: [4], range: [-1, 1], layout };
  let x = g.add({ op: "he_input", inputs: [], attrs, name: "x.0", span: noSpan });
  const constants = weights.map((w, i) =>
    g.add({ op: "constant", inputs: [], attrs: { data: w }, name: `fc${i}.weight`, span: noSpan }),
  );
  const layer = g.add({
    op: "he_layer",
    inputs: constants,
    attrs: {
      layer: "fc",
      op: "dense",
      settings: { nested: settings, list: [1, [2, "three"]] },
      operands: [[4], "constant"],
      from: [layout],
      to: layout,
      plan: { operands: [{ babies: [0, 1], halving: "pairs" }], folds: [], giants: [0, -4] },
    },
    name: "fc.layer",
    span: noSpan,
  });
  for (const { name, kind, pick } of list) {
    const type = g.node(x).type;
    if (type.kind !== "cipher") break;
    const add = (op: "he_rescale" | "he_relinearize" | "he_square" | "he_negate" | "he_mod_switch") =>
      g.tryAdd({ op, inputs: [x], attrs: {}, name, span: noSpan });
    const level = type.level;
    const next =
      type.size === 3
        ? add("he_relinearize")
        : type.scaleBits > 60 && level > 0
          ? add("he_rescale")
          : kind % 6 === 0 && level > 0
            ? add("he_square")
            : kind % 6 === 1
              ? g.add({ op: "he_rotate", inputs: [x], attrs: { steps: (pick % 99) + 1 }, name, span: noSpan })
              : kind % 6 === 2 && level > 0
                ? multiplied(g, x, layer, level, scales[level]! * 1.000001, name)
                : kind % 6 === 3
                  ? add("he_negate")
                  : kind % 6 === 4 && level > 0
                    ? add("he_mod_switch")
                    : g.add({ op: "he_add", inputs: [x, x], attrs: {}, name, span: noSpan });
    if (typeof next !== "number") break;
    x = next;
  }
  g.output("y", g.add({ op: "he_output", inputs: [x], attrs: { shape: [4], layout }, name: "y", span: noSpan }));
  return g.build();
}

function multiplied(g: GraphBuilder, x: NodeId, layer: NodeId, level: number, scale: number, name: string): NodeId {
  const attrs = { to: 0, giant: -4, from: 0, baby: 1, level, scale };
  const p = g.add({ op: "he_encode", inputs: [layer], attrs, name: `${name}.p`, span: noSpan });
  return g.add({ op: "he_multiply_plain", inputs: [x, p], attrs: {}, name, span: noSpan });
}

it("reads back every printed HE program", () => {
  fc.assert(
    fc.property(seeds, fc.array(tensors, { maxLength: 2 }), data, (list, weights, settings) => {
      expectRoundTrip(programOf(list, weights, settings));
    }),
    { numRuns: 200 },
  );
});

it("reads back every number in place, from -0 to the largest integers", () => {
  const values = [
    0,
    -0,
    1e-7,
    0.1,
    1 / 3,
    5e-324,
    1.7976931348623157e308,
    2 ** 53,
    2 ** 60,
    2 ** 64,
    1e21,
    123456789012345680000,
    -1e-7,
    -(2 ** 60),
  ];
  const g = new GraphBuilder("numbers");
  const id = g.add({ op: "constant", inputs: [], attrs: { data: tensor([14], values) }, name: "k", span: noSpan });
  g.output("k", id);
  expectRoundTrip(g.build());
  expect(printGraph(g.build())).toContain(
    "[0, -0, 1e-7, 0.1, 0.3333333333333333, 5e-324, 1.7976931348623157e308, 9.007199254740992e15,",
  );
});

it("prints a constant of 16 numbers in place and one of 17 by name", () => {
  const g = new GraphBuilder("sizes");
  for (const size of [16, 17]) {
    const attrs = { data: tensor([size], new Float64Array(size)) };
    g.output(`o${size}`, g.add({ op: "constant", inputs: [], attrs, name: `w ${size}`, span: noSpan }));
  }
  const graph = g.build();
  expect([...graphTensors(graph).keys()]).toEqual(["w 17"]);
  expect(printGraph(graph)).toContain('`w 17`: tensor [17] = constant(data = @"w 17")');
  expectRoundTrip(graph);
});

it("names the weights file of a dump when asked to", () => {
  const g = new GraphBuilder("dump");
  g.output("k", g.add({ op: "constant", inputs: [], attrs: { data: tensor([], [1]) }, name: "k", span: noSpan }));
  expect(printGraph(g.build(), { weights: "dump.safetensors" })).toContain('\n  weights "dump.safetensors"\n');
});

it("prints one node as the statement that makes it", () => {
  const g = new GraphBuilder("one");
  const x = g.add({ op: "input", inputs: [], attrs: { shape: [2], range: [0, 1] }, name: "x", span: noSpan });
  const y = g.add({ op: "add", inputs: [x, x], attrs: {}, name: "next", span: noSpan });
  const graph = g.build();
  expect(printNode(graph, graph.nodes[y]!)).toBe("`next` = add(x, x)");
});
