import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { digitsModel } from "../examples/onnx/digits-model.ts";
import { writeOnnx } from "../examples/onnx/write-onnx.ts";
import { hostOf, parseModel } from "../grammar/index.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { renderDiagnostic } from "../src/base/render.ts";
import { positionAt } from "../src/base/span.ts";
import { elementCount, type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { type CompileOptions, compileModel, compileOnnx } from "../src/driver/compile.ts";
import { importOnnx, type OnnxSource } from "../src/driver/import-onnx.ts";
import { readSource } from "../src/driver/read-model.ts";
import { printGraph } from "../src/ir/print.ts";
import type { OnnxModel, OnnxOptions } from "../src/onnx/index.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { itWithMaterial, materialPath } from "./material.ts";
import { noFiles } from "./onnx-bytes.ts";
import { floats, integers, onnxModel } from "./onnx-models.ts";

/** Numbers of a shape, exact in single precision. */
function numbers(...shape: readonly number[]): Tensor {
  return tensor(
    shape,
    Array.from({ length: elementCount(shape) }, (_, i) => (((i * 37) % 17) - 8) / 16),
  );
}

const filled = (shape: Shape, value: number) => tensor(shape, new Float64Array(elementCount(shape)).fill(value));

function sourceOf(model: OnnxModel, options: OnnxOptions = {}): OnnxSource {
  return { onnx: writeOnnx(model), path: "model.onnx", host: noFiles, options };
}

/** The text of a model, read back from the files that `import` writes. */
function reread(source: OnnxSource) {
  const { text, weights } = importOnnx(source, "model.safetensors");
  const { tensors } = readSafetensors(writeSafetensors(weights), "model.safetensors");
  return { text, file: { path: "model.hen", text }, host: hostOf(tensors) };
}

function expectSamePlan(source: OnnxSource, options: CompileOptions = {}): string {
  const { text, file, host } = reread(source);
  const [fromText, fromOnnx] = [compileModel(file, host, options), compileOnnx(source, options)];
  expect(fromText.plan.id).toBe(fromOnnx.plan.id);
  expect(Buffer.from(fromText.bytes).equals(fromOnnx.bytes)).toBe(true);
  return text;
}

const eightBits: CompileOptions = { overrides: new Map([["precision", 8]]) };

const models: { readonly [title: string]: readonly [OnnxModel, OnnxOptions?] } = {
  "the digits example": [digitsModel(), { ranges: new Map([["image", [0, 16]]]) }],
  "two inputs with ranges of their own": [
    onnxModel({
      inputs: { a: [1, 4], b: [1, 4] },
      weights: { w: numbers(3, 4), c: numbers(4) },
      nodes: [
        ["Add", ["a", "b"], ["s"]],
        ["Mul", ["s", "c"], ["t"]],
        ["Gemm", ["t", "w"], ["y"], { transB: 1 }],
      ],
      outputs: ["y"],
    }),
    { ranges: new Map([["b", [0, 0.5]]]) },
  ],
  "a weight that layers share, also under another shape": [
    onnxModel({
      inputs: { x: [1, 4] },
      weights: { w: numbers(4, 4), row: numbers(1, 4), to: integers(2, 2) },
      nodes: [
        ["MatMul", ["x", "w"], ["a"]],
        ["MatMul", ["a", "w"], ["b"]],
        ["Add", ["b", "row"], ["c"]],
        ["Mul", ["c", "c"], ["d"]],
        ["Add", ["d", "row"], ["e"]],
        ["Reshape", ["e", "to"], ["f"]],
        ["Reshape", ["row", "to"], ["r"]],
        ["Add", ["f", "r"], ["y"]],
      ],
      outputs: ["y"],
    }),
  ],
  "several outputs, one of them in the middle": [
    onnxModel({
      inputs: { x: [1, 6] },
      weights: { w: numbers(2, 6), v: numbers(3, 2) },
      nodes: [
        ["Gemm", ["x", "w"], ["h"], { transB: 1 }],
        ["Mul", ["h", "h"], ["late"]],
        ["Gemm", ["late", "v"], ["y"], { transB: 1 }],
      ],
      outputs: ["y", "late"],
    }),
  ],
  "convolutions in groups on a batch of two": [
    onnxModel({
      inputs: { x: [2, 2, 5, 5] },
      weights: { k: numbers(4, 1, 3, 3), bias: numbers(4) },
      nodes: [
        ["Conv", ["x", "k", "bias"], ["c"], { group: 2, pads: [1, 0, 0, 1], strides: [2, 2] }],
        ["AveragePool", ["c"], ["y"], { kernel_shape: [2, 2] }],
      ],
      outputs: ["y"],
    }),
  ],
  "batch normalization, scalars and folded constants": [
    onnxModel({
      inputs: { x: [1, 2, 3] },
      weights: { g: filled([2], 1.5), b: numbers(2), m: numbers(2), v: filled([2], 2), half: tensor([], [0.5]) },
      nodes: [
        ["BatchNormalization", ["x", "g", "b", "m", "v"], ["n"]],
        ["Constant", [], ["three"], { value_floats: floats(1 / 3, 3, -0) }],
        ["Mul", ["half", "three"], ["folded"]],
        ["Mul", ["n", "half"], ["s"]],
        ["Add", ["s", "folded"], ["t"]],
        ["Sub", ["t", "half"], ["y"]],
      ],
      outputs: ["y"],
    }),
  ],
  "names that are keywords, ops, numbers or paths, and that meet each other": [
    onnxModel({
      inputs: { input: [1, 3], "3": [1, 3] },
      weights: { output: numbers(3), "/model/fc.weight": numbers(3, 3), add: numbers(3) },
      nodes: [
        ["Add", ["input", "output"], ["add_1"]],
        ["Mul", ["add_1", "add"], ["/model/x:0"]],
        ["Gemm", ["/model/x:0", "/model/fc.weight"], ["network"]],
        ["Add", ["network", "3"], ["square"]],
        ["Mul", ["square", "square"], ["output 1"]],
      ],
      outputs: ["output 1", "square"],
    }),
  ],
  "shapes worked out from the input": [
    onnxModel({
      inputs: { x: [1, 2, 2, 3] },
      weights: { minus: integers(-1), one: integers(1) },
      nodes: [
        ["Shape", ["x"], ["s"], { start: 0, end: 1 }],
        ["Concat", ["s", "minus"], ["to"], { axis: 0 }],
        ["Reshape", ["x", "to"], ["flat"]],
        ["Mul", ["flat", "flat"], ["y"]],
      ],
      outputs: ["y"],
    }),
  ],
};

it.for(Object.keys(models))("text and model give the same plan: %s", (title) => {
  const [model, options] = models[title]!;
  const text = expectSamePlan(sourceOf(model, options), eightBits);
  expect(text).not.toContain("constant(");
});

it("the text is what a person would write", () => {
  const [model, options] = models["the digits example"]!;
  expect(importOnnx(sourceOf(model, options), "digits.safetensors").text).toBe(`network digits {
  weights "digits.safetensors"
  input image: [1, 1, 8, 8] in 0 .. 16

  image_view = reshape(image, shape = [1, 8, 8])   # [1, 8, 8]
  conv.Conv = conv2d(image_view, weight = @conv.weight, bias = @conv.bias, stride = 2, pad = 1)   # [8, 4, 4]
  Mul = square(conv.Conv)
  Mul_view = flatten(Mul)   # [128]
  fc1.Gemm = dense(Mul_view, weight = @fc1.weight, bias = @fc1.bias)   # [64]
  Mul_1 = square(fc1.Gemm)
  fc2.Gemm = dense(Mul_1, weight = @fc2.weight, bias = @fc2.bias)   # [10]
  output logits = reshape(fc2.Gemm, shape = [1, 10])   # [1, 10]
}
`);
});

it("a single number stands in the text, exactly", () => {
  const model = onnxModel({
    inputs: { x: [2] },
    weights: { scale: tensor([], [Math.fround(0.1)]), shift: { type: "double", tensor: tensor([1], [0.1]) } },
    nodes: [
      ["Mul", ["x", "scale"], ["m"]],
      ["Add", ["m", "shift"], ["y"]],
    ],
    outputs: ["y"],
  });
  const { text, weights } = importOnnx(sourceOf(model), "w.safetensors");
  expect(weights.size).toBe(0);
  expect(text).toContain("m = multiply(x, [0.10000000149011612])");
  expect(text).toContain("y = add(m, [0.1])");
});

it("doubles come back with every bit", () => {
  const model = onnxModel({
    inputs: { x: [3] },
    weights: { w: { type: "double", tensor: tensor([3], [0.1, -0, 5e-324]) } },
    nodes: [["Add", ["x", "w"], ["y"]]],
    outputs: ["y"],
  });
  const file = reread(sourceOf(model)).host.weights(undefined, { path: "", text: "" });
  const stored = "names" in file ? file.tensor("w") : undefined;
  expect(stored).toMatchObject({ shape: [3], data: Float64Array.of(0.1, -0, 5e-324) });
});

it("a layer without an encrypted form has the same line in the model as in the text", () => {
  const model = onnxModel({
    inputs: { x: [1, 3] },
    weights: { w: numbers(3, 3) },
    nodes: [
      ["MatMul", ["x", "w"], ["h"]],
      ["Relu", ["h"], ["y"]],
    ],
    outputs: ["y"],
  });
  const source = sourceOf(model);
  const { graph } = readSource(source);
  const { file, host } = reread(source);
  const diagnostics = new Diagnostics();
  const back = parseModel(file, host, diagnostics)!.graph;
  expect(diagnostics.all.map(renderDiagnostic)).toEqual([]);
  const lines = (g: typeof graph) =>
    g.nodes.filter((n) => n.op !== "constant").map(({ name, span }) => [name, positionAt(span.file, span.start).line]);
  expect(lines(graph)).toEqual(lines(back));
  expect(graph.nodes.find((n) => n.op === "relu")!.span.part).toBe("node 1 (Relu)");
});

itWithMaterial.for([
  "cryptonets_mnist_microsoft",
  "lola_mnist_heir_orion",
  "resnet20_cifar10_akamaster",
  "mnist-8/model",
])("the text of %s is read back as the same network", (name) => {
  const onnx = readFileSync(materialPath("onnx", "nets", `${name}.onnx`));
  const source = { onnx, path: "model.onnx", host: noFiles };
  const { file, host } = reread(source);
  const diagnostics = new Diagnostics();
  const back = parseModel(file, host, diagnostics)!.graph;
  expect(printGraph(back)).toBe(printGraph(readSource(source).graph));
});
