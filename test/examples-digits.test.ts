import { expect, it } from "vitest";
import { argmax, heldOutCount, readDigits } from "../examples/digits/data.ts";
import { readExample } from "../examples/models.ts";
import { parseModel } from "../grammar/index.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { evaluateAll } from "../src/ir/evaluate.ts";

const { training, heldOut } = readDigits();

function readNetwork() {
  const { file, host } = readExample("digits");
  const diagnostics = new Diagnostics();
  const model = parseModel(file, host, diagnostics);
  expect(diagnostics.all).toEqual([]);
  return model!.graph;
}

it("the data holds 1,437 images to learn from and 360 to judge by", () => {
  expect(training).toHaveLength(1437);
  expect(heldOut).toHaveLength(heldOutCount);
  for (const { image, label } of [...training, ...heldOut]) {
    expect(image.shape).toEqual([1, 8, 8]);
    expect(image.data.every((v) => Number.isInteger(v) && v >= 0 && v <= 16)).toBe(true);
    expect(Number.isInteger(label) && label >= 0 && label <= 9).toBe(true);
  }
});

it("every digit occurs among the held-out images", () => {
  expect(new Set(heldOut.map(({ label }) => label)).size).toBe(10);
});

it("the network reads at least 97 % of the held-out images", () => {
  const graph = readNetwork();
  const logits = graph.outputs[0]!.node;
  const right = heldOut.filter(({ image, label }) => {
    const values = evaluateAll(graph, new Map([["image", image]]));
    return argmax(values.get(logits)!.data) === label;
  });
  expect(right.length / heldOut.length).toBeGreaterThanOrEqual(0.97);
});

// CKKS adds errors of one size to large and small numbers alike, so values near one are what it computes best.
it("no value inside the network is larger than 30", () => {
  const graph = readNetwork();
  const constants = new Set(graph.nodes.filter(({ op }) => op === "constant" || op === "input").map(({ id }) => id));
  let largest = 0;
  for (const { image } of heldOut) {
    for (const [id, { data }] of evaluateAll(graph, new Map([["image", image]]))) {
      if (!constants.has(id)) largest = data.reduce((most, v) => Math.max(most, Math.abs(v)), largest);
    }
  }
  expect(largest).toBeGreaterThan(1);
  expect(largest).toBeLessThan(30);
});
