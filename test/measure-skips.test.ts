import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { readExample, resnetAsOneProgram } from "../examples/models.ts";
import { compileTo } from "../src/driver/compile.ts";
import { measureSkips, type SkipReport } from "../src/driver/measure-skips.ts";
import { readSource } from "../src/driver/read-model.ts";
import { findSkips, joinPart } from "../src/ir/skips.ts";
import { skipRows, skipsJson, skipTable } from "../src/report/skip-table.ts";
import { itWithMaterial, materialPath } from "./material.ts";
import { noFiles } from "./onnx-bytes.ts";
import { Net } from "./ops-builder.ts";

/** Joins of ResNet-20: those around activations take a product, those that halve the image a few rotations; none a level. */
function expectCheap(skips: readonly SkipReport[]): void {
  expect(skips).toHaveLength(9);
  for (const [i, { becomes, before, after }] of skips.entries()) {
    const halves = i === 3 || i === 6;
    expect(becomes).toBe("layer");
    expect(after.levels).toBe(0);
    expect(after.rescales).toBe(0);
    expect(after.rotations).toBeLessThanOrEqual(halves ? 5 : 0);
    expect(after.rotations).toBeLessThanOrEqual(before.rotations);
    if (!halves) expect(after.plainMultiplications).toBe(after.liveCiphertexts);
  }
}

it("joins of the example ResNet-20 cost no level and hardly a rotation", { timeout: 300_000 }, () => {
  const { file, host } = readExample("resnet20");
  const { graph } = compileTo(file, host, "fit-activations", { overrides: resnetAsOneProgram });
  expectCheap(measureSkips(graph, 65536));
});

itWithMaterial("so do those of one that halves images with slices and zeros", { timeout: 300_000 }, () => {
  const path = materialPath("onnx", "nets", "resnet20_cifar10_akamaster.onnx");
  const { graph } = readSource({ onnx: readFileSync(path), path, host: noFiles });
  expectCheap(measureSkips(graph, 65536));
});

it("finds forks and joins, and tells what becomes of them", () => {
  const net = new Net();
  const x = net.input([4]);
  const h = net.op("square", [x], {}, { name: "h" });
  const a = net.op("dense", [h, net.constant([4, 4])], {}, { name: "a" });
  const p = net.op("add", [h, a], {}, { name: "p" });
  const r = net.op("relu", [p], {}, { name: "r" });
  const b = net.op("dense", [r, net.constant([4, 4])], {}, { name: "b" });
  const q = net.op("subtract", [b, h], {}, { name: "q" });
  const s = net.op("add", [net.op("square", [q], {}, { name: "s" }), p], {}, { name: "t" });
  const graph = net.graph(s);
  const skips = findSkips(graph);
  expect(skips.map(({ fork, join, main, around }) => [fork.name, join.name, main.name, around.name])).toEqual([
    ["h", "p", "a", "h"],
    ["h", "q", "b", "h"],
    ["p", "t", "s", "p"],
  ]);
  expect(joinPart(graph, skips[1]!, skips[1]!.join).nodes.map((n) => n.op)).toContain("square");
  const measured = measureSkips(graph, 4096);
  expect(measured.map(({ becomes, layer }) => [becomes, layer])).toEqual([
    ["weights", "a"],
    ["layer", "q"],
    ["sum", "t"],
  ]);
  expect(measured[0]!.after).toMatchObject({ rotations: 0, rescales: 0, levels: 0, liveCiphertexts: 0 });
  const rows = skipRows(measured, []);
  expect(skipTable(rows)).toMatch(/h +p +weights of a/);
  expect(skipTable([])).toBeUndefined();
  expect(skipsJson(rows)[0]).toMatchObject({ fork: "h", join: "p", levelFrom: null, before: {}, after: {} });
});
