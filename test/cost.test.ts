import { expect, it } from "vitest";
import { CompilerBug } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { tensor } from "../src/base/tensor.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { galoisSteps, measureCost } from "../src/plan/cost.ts";
import { cachedPlaintexts, peakMemory } from "../src/plan/memory.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { bitsOfScale, canonicalScales } from "../src/scheme/parameters.ts";
import { ciphertextBytes, galoisKeyBytes, plaintextBytes } from "../src/scheme/sizes.ts";
import { chain, firstSlots, Program } from "./sim-programs.ts";

const scheme = chain({ degree: 8192, levels: 3 });
const scales = canonicalScales(scheme);
const text = "network n {\n  input x: [8]\n  h = dense(x)\n  y = square(h)\n}\n";
const file = { path: "n.hen", text };
const at = (found: string) => ({ file, start: text.indexOf(found), end: text.indexOf(found) + 1 });

/** input -> dense (level 3 to 2) -> flatten -> square (level 2 to 1). */
function leveled(): Graph {
  const b = new GraphBuilder("n", scheme);
  const layout = firstSlots(scheme, 8);
  const type = (level: number) =>
    ({ kind: "leveled", shape: [8], layout, level, scaleBits: bitsOfScale(scales[level]!) }) as const;
  const x = b.add({
    op: "input",
    inputs: [],
    attrs: { shape: [8], range: [0, 1] },
    name: "x",
    span: at("x:"),
    type: type(3),
  });
  const w = b.add({
    op: "constant",
    inputs: [],
    attrs: { data: tensor([8, 8], new Float64Array(64).fill(0.5)) },
    name: "w",
    span: noSpan,
  });
  const h = b.add({ op: "dense", inputs: [x, w], attrs: {}, name: "fc.1", span: at("h ="), type: type(2) });
  const v = b.add({ op: "reshape", inputs: [h], attrs: { shape: [8] }, name: "view", span: noSpan, type: type(2) });
  b.output("y", b.add({ op: "square", inputs: [v], attrs: {}, name: "sq", span: at("y ="), type: type(1) }));
  return b.build();
}

function program(layer = "fc.1"): Graph {
  const p = new Program(scheme);
  const h = p.linear(layer, p.input("x", [0, 1], 3, 8), 3, [4, -4]);
  p.layer = "sq";
  p.output("y", p.product(h, h), 8);
  return p.build();
}

const ms = (op: Parameters<typeof defaultCostTable.milliseconds>[0], primes: number) =>
  defaultCostTable.milliseconds(op, 8192, primes);

it("totals count every operation, key and ciphertext", () => {
  const cost = measureCost({ leveled: leveled(), program: program() });
  expect(cost.totals).toEqual({
    rotations: 4,
    conjugations: 0,
    plainMultiplications: 3,
    monomialMultiplications: 0,
    cipherMultiplications: 1,
    relinearizations: 1,
    rescales: 2,
    levels: 2,
    galoisKeys: 4,
    galoisKeyBytes: 4 * galoisKeyBytes(8192, 4),
    inputCiphertexts: 1,
    outputCiphertexts: 1,
    clientRounds: 0,
    weightBytes: 0,
  });
  expect(cost.costTable).toBe(defaultCostTable.name);
});

it("layers come in the order of the network, with the line the user wrote", () => {
  const { layers } = measureCost({
    leveled: leveled(),
    program: program(),
    bounds: new Map([
      ["fc.1", 2 ** -14],
      ["sq", 2 ** -12.5],
    ]),
  });
  expect(
    layers.map(({ name, op, line, levelIn, levelOut, rotations, rescales, boundBits }) => [
      name,
      op,
      line,
      levelIn,
      levelOut,
      rotations,
      rescales,
      boundBits,
    ]),
  ).toEqual([
    ["fc.1", "dense", 3, 3, 2, 4, 1, 14],
    ["view", "reshape", 0, 2, 2, 0, 0, 14],
    ["sq", "square", 4, 2, 1, 0, 1, 12.5],
  ]);
  expect(layers[0]).toMatchObject({ shape: [8], layout: "4096 x 1 [8] d0:8@1" });
});

it("time is the sum over ops at their levels, and the layers add up to the total", () => {
  const { layers, estimate } = measureCost({ leveled: leveled(), program: program() });
  const fc = 4 * ms("rotate", 4) + 3 * ms("multiplyPlain", 4) + 4 * ms("add", 4) + ms("rescale", 4) + ms("addPlain", 3);
  const square = ms("square", 3) + ms("relinearize", 3) + ms("rescale", 3);
  expect(layers.map((l) => l.milliseconds)).toEqual([fc, 0, square].map((t) => Math.round(t * 1000) / 1000));
  expect(estimate.milliseconds).toBeCloseTo(fc + square, 2);
  const keygen = ms("context", 5) + 4 * ms("galoisKey", 4) + ms("relinKey", 4);
  expect(estimate.keygenMilliseconds).toBeCloseTo(keygen, 2);
});

it("plaintexts that do not fit the cache are paid for in every run", () => {
  const cached = measureCost({ leveled: leveled(), program: program() }).estimate;
  const tight = measureCost({
    leveled: leveled(),
    program: program(),
    plaintextBudget: 2 * plaintextBytes(8192, 4),
  }).estimate;
  // One of three weights and the bias are left.
  expect(tight.milliseconds - cached.milliseconds).toBeCloseTo(ms("encode", 4) + ms("encode", 3), 2);
  expect(tight.peakBytes).toBeLessThan(cached.peakBytes);
});

it("an HE node that belongs to no layer is a bug", () => {
  expect(() => measureCost({ leveled: leveled(), program: program("fc") })).toThrow(CompilerBug);
  expect(() => measureCost({ leveled: leveled(), program: program("fc") })).toThrow(/'fc\.\w+' belongs to no layer/);
});

it("rotation steps are normalised, sorted and counted once", () => {
  const p = new Program(scheme);
  const x = p.input("x", [0, 1]);
  const turned = [5, 4096 - 3, -3, 2048, -2048].map((steps) => p.rotate(x, steps));
  p.output(
    "y",
    turned.reduce((sum, t) => p.add(sum, t)),
  );
  expect(galoisSteps(p.build())).toEqual([-3, 5, 2048]);
});

/** (x + conj x) X^3, mixed once more at the same level and once at the next. */
function turning(): Graph {
  const p = new Program(scheme);
  p.layer = "fc.1";
  const x = p.input("x", [0, 1], 3, 8);
  const real = p.add(p.rotate(x, 1), p.unary("he_conjugate", x));
  const mixed = p.monomial(p.monomial(real, 3), 3);
  p.output("y", p.monomial(p.unary("he_mod_switch", mixed), 3), 8);
  return p.build();
}

it("a conjugation counts as a rotation and has one key, which is step 0", () => {
  expect(galoisSteps(turning())).toEqual([0, 1]);
  const { totals, layers } = measureCost({ leveled: leveled(), program: turning() });
  expect(totals).toMatchObject({ rotations: 2, conjugations: 1, plainMultiplications: 0, monomialMultiplications: 3 });
  expect(totals).toMatchObject({ galoisKeys: 2, galoisKeyBytes: 2 * galoisKeyBytes(8192, 4) });
  expect(layers[0]).toMatchObject({ rotations: 2, conjugations: 1, monomialMultiplications: 3 });
});

it("conjugations take as long as rotations, monomials as products with plaintexts that need no encoding", () => {
  const { milliseconds } = measureCost({ leveled: leveled(), program: turning(), plaintextBudget: 0 }).estimate;
  const products = 2 * ms("multiplyPlain", 4) + ms("multiplyPlain", 3);
  expect(milliseconds).toBeCloseTo(2 * ms("rotate", 4) + ms("add", 4) + products + ms("modSwitch", 4), 2);
});

it("a rotation by all slots needs no key, and is no conjugation", () => {
  const p = new Program(scheme);
  p.output("y", p.rotate(p.input("x", [0, 1]), 4096));
  expect(galoisSteps(p.build())).toEqual([]);
});

it("each monomial has a plaintext at each level, however often it is used", () => {
  const keys = { galoisKeys: 0, relinKeys: 0, plaintextBudget: 0 };
  const bytes = (exponents: readonly number[]) => {
    const p = new Program(scheme);
    p.output(
      "y",
      exponents.reduce<NodeId>((x, exponent) => p.monomial(x, exponent), p.input("x", [0, 1])),
    );
    return peakMemory(p.build(), scheme, keys);
  };
  expect(bytes([1, 1, 16384 + 1])).toBe(bytes([1, 1, 1]));
  expect(bytes([1, 2, 2]) - bytes([1, 1, 1])).toBe(plaintextBytes(8192, 4));
});

it("peak memory follows what is alive, not what was ever made", () => {
  const keys = { galoisKeys: 0, relinKeys: 0, plaintextBudget: Number.POSITIVE_INFINITY };
  const sum = (terms: number, keepAll: boolean) => {
    const p = new Program(scheme);
    const x = p.input("x", [0, 1]);
    const turned = (i: number) => p.rotate(x, i + 1);
    if (keepAll) {
      const all = Array.from({ length: terms }, (_, i) => turned(i));
      p.output(
        "y",
        all.reduce((a, b) => p.add(a, b)),
      );
    } else {
      let total = turned(0);
      for (let i = 1; i < terms; i++) total = p.add(total, turned(i));
      p.output("y", total);
    }
    return peakMemory(p.build(), scheme, keys);
  };
  expect(sum(20, false)).toBe(sum(5, false));
  expect(sum(20, true) - sum(5, true)).toBe(15 * ciphertextBytes(8192, 4));
});

it("the plaintexts that stay are the first in order of use", () => {
  const graph = program();
  const all = cachedPlaintexts(graph, 8192, Number.POSITIVE_INFINITY);
  expect(all.size).toBe(4);
  const two = cachedPlaintexts(graph, 8192, 2 * plaintextBytes(8192, 4) + 1);
  expect([...two].map((n) => n.op)).toEqual(["he_encode", "he_encode"]);
  // A smaller one later in the program may still fit.
  expect(cachedPlaintexts(graph, 8192, plaintextBytes(8192, 3)).size).toBe(1);
});

it("weights count four bytes where single precision is exact, else eight", () => {
  const p = new Program(scheme);
  const constants = [
    [0.5, 0.25],
    [0.1, 0.2],
  ].map((data, i) =>
    p.builder.add({ op: "constant", inputs: [], attrs: { data: tensor([2], data) }, name: `w${i}`, span: noSpan }),
  );
  p.layer = "fc.1";
  const attrs = { layer: "fc.1", op: "dense", settings: {}, operands: [], from: [], to: "", plan: {} };
  const layer = p.builder.add({ op: "he_layer", inputs: constants, attrs, name: "fc.1.w", span: noSpan });
  const product = p.binary("he_multiply_plain", p.input("x", [0, 1]), p.encode(layer, 3));
  p.output("y", p.unary("he_rescale", product));
  expect(measureCost({ leveled: leveled(), program: p.build() }).totals.weightBytes).toBe(2 * 4 + 2 * 8);
});
