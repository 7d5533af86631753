import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { deepExamples, deepWeights, isDeep } from "../examples/deep-weights.ts";
import { readExample } from "../examples/models.ts";
import { seededRandom } from "../examples/random.ts";
import { drawnExamples, exampleWeights } from "../examples/weights.ts";
import { parseModel } from "../grammar/index.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { elementCount, type Tensor } from "../src/base/tensor.ts";
import { evaluate, inputsOf } from "../src/ir/evaluate.ts";
import { shapeOf } from "../src/ops/value-type.ts";

const drawn = [...drawnExamples, ...deepExamples];
type Drawn = (typeof drawn)[number];

const weightsOf = (name: Drawn): Map<string, Tensor> => (isDeep(name) ? deepWeights(name) : exampleWeights(name));

function parseExample(name: "digits" | Drawn) {
  const { file, host } = readExample(name);
  const diagnostics = new Diagnostics();
  const model = parseModel(file, host, diagnostics);
  expect(diagnostics.all).toEqual([]);
  return model!;
}

/** Pixels even in 0 .. 1, for which the weights are drawn. */
function drawnInput(shape: readonly number[]): Tensor {
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, seededRandom(99)) };
}

it.for([
  ["mlp", "90c4ac95de207a0b"],
  ["lola", "e045c1d7ad79d613"],
  ["lenet", "d956bedf31c0c977"],
  ["lenet-relu", "00c7a16c92ffd2f5"],
  ["resnet20", "2ffd1a0b03555d0f"],
  ["vgg16", "5d20954a2b9af465"],
  ["alexnet", "2a28fddbd262e592"],
  ["resnet18", "e99dbe7e81fb9ed0"],
] as const)("%s has the same weights on every machine", ([name, expected]) => {
  const hash = createHash("sha256");
  for (const [key, { shape, data }] of weightsOf(name)) {
    hash.update(`${key} [${shape}]`).update(new Uint8Array(Float32Array.from(data).buffer));
  }
  expect(hash.digest("hex").slice(0, 16)).toBe(expected);
});

it.for(drawn)("the weights of %s are single-precision numbers", (name) => {
  for (const { data, shape } of weightsOf(name).values()) {
    expect(data).toHaveLength(elementCount(shape));
    expect(data.every((v) => Math.fround(v) === v)).toBe(true);
  }
});

it.for(["digits", ...drawn] as const)(
  "%s parses, uses every weight and has as many outputs as there are classes",
  (name) => {
    const { graph, targets } = parseExample(name);
    expect(graph.name).toBe(name.replace("-", "_"));
    expect(targets[0]!.name).toBe("seal");
    expect(graph.outputs.map((output) => output.name)).toEqual(["logits"]);
    expect(shapeOf(graph.nodes[graph.outputs[0]!.node]!.type)).toEqual([name === "resnet18" ? 100 : 10]);
    if (name === "digits") return;
    const constants = graph.nodes.filter(({ op }) => op === "constant").map((node) => node.name);
    expect(constants.toSorted()).toEqual([...weightsOf(name).keys()].toSorted());
  },
);

it.for(drawn)("the outputs of %s are numbers near one", (name) => {
  const { graph } = parseExample(name);
  const [input] = inputsOf(graph);
  const logits = evaluate(graph, new Map([[input!.name, drawnInput(shapeOf(input!.type)!)]])).get("logits")!;
  const largest = logits.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  expect(largest).toBeGreaterThan(0.1);
  expect(largest).toBeLessThan(10);
});
