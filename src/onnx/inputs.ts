import { type Diagnostics, diagnose, type Problem, problem } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import type { Span } from "../base/span.ts";
import { type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import { isElementType } from "./element-types.ts";
import { tooLarge } from "./folding.ts";
import { isReal, type OnnxModel, type OnnxValueInfo, shapeWords } from "./model.ts";
import { layerName, type NetworkWriter } from "./network-writer.ts";
import { known, type Value } from "./value.ts";

/** What a user adds to a model that does not say it. */
export interface OnnxOptions {
  /** Sizes of symbolic dimensions, by symbol. */
  readonly dims?: ReadonlyMap<string, number>;
  /** Smallest and largest value of each input. */
  readonly ranges?: ReadonlyMap<string, readonly [number, number]>;
  /** Numbers of inputs that are known when compiling and not encrypted. */
  readonly constants?: ReadonlyMap<string, Tensor>;
}

/** The range of an input of which nothing is said. */
const assumedRange: readonly [number, number] = [-1, 1];

/** Makes the model's inputs: layers for those to be encrypted, constants for those whose numbers are given. */
export function declareInputs(
  model: OnnxModel,
  options: OnnxOptions,
  writer: NetworkWriter,
  diagnostics: Diagnostics,
): ReadonlyMap<string, Value> {
  const { ranges = new Map(), constants = new Map(), dims = new Map() } = options;
  const inputs = model.inputs.filter(({ name }) => !model.initializers.has(name));
  const names = inputs.map((i) => i.name);
  checkNames("--range", [...ranges.keys()], names, diagnostics);
  checkNames("--constant", [...constants.keys()], names, diagnostics);
  const symbols = inputs.flatMap((i) => (i.shape ?? []).filter((d) => typeof d === "string"));
  checkNames("--dim", [...dims.keys()], symbols, diagnostics);

  const values = new Map<string, Value>();
  for (const input of inputs) {
    const span: Span = { file: { path: model.path, text: "" }, start: 0, end: 0, part: `input '${input.name}'` };
    const constant = constants.get(input.name);
    const value =
      constant === undefined
        ? encryptedInput(input, ranges.get(input.name), dims, writer, span)
        : constantInput(input, constant, dims);
    if ("problem" in value) {
      diagnostics.add(diagnose(value.problem, span, value.params as never));
      continue;
    }
    if (constant === undefined && !ranges.has(input.name))
      diagnostics.report("onnx-range", span, { input: input.name });
    values.set(input.name, value);
  }
  return values;
}

function checkNames(
  option: string,
  given: readonly string[],
  known: readonly string[],
  diagnostics: Diagnostics,
): void {
  for (const name of given) {
    if (known.includes(name)) continue;
    diagnostics.report("onnx-option", "nowhere", { option, name, meant: nearest(name, known), known });
  }
}

function encryptedInput(
  { name, type, shape }: OnnxValueInfo,
  range: readonly [number, number] = assumedRange,
  dims: ReadonlyMap<string, number>,
  writer: NetworkWriter,
  span: Span,
): Value | Problem {
  if (type === undefined) return problem("onnx-type", { input: name, type: "that is no tensor" });
  if (!isElementType(type) || !isReal(type)) return problem("onnx-type", { input: name, type });
  if (shape === undefined) {
    const flag = "export the model with fixed input shapes";
    return problem("onnx-dimension", { input: name, dimension: "count", found: "not declared", flag });
  }
  const sizes = resolved(name, shape, dims);
  if ("problem" in sizes) return sizes;
  const limited = tooLarge(sizes);
  if (limited !== undefined) return limited;
  const node = writer.builder.tryAdd({
    op: "input",
    inputs: [],
    attrs: { shape: sizes, range },
    name: layerName(name),
    span,
  });
  return typeof node === "object" ? node : { known: false, type, shape: sizes, node };
}

function constantInput(
  { name, type, shape }: OnnxValueInfo,
  tensor: Tensor,
  dims: ReadonlyMap<string, number>,
): Value | Problem {
  const declared = shape?.map((size) => (typeof size === "string" ? dims.get(size) : size));
  const fits =
    declared === undefined ||
    sameShape(
      tensor.shape,
      declared.map((size, d) => size ?? tensor.shape[d]!),
    );
  if (!fits) {
    const declaredWords = `[${shape!.map((size) => size ?? "?").join(", ")}]`;
    return problem("onnx-contradiction", { value: name, declared: declaredWords, inferred: shapeWords(tensor.shape) });
  }
  return known(type !== undefined && isElementType(type) ? type : "float", tensor, name);
}

/** The sizes of an input, symbols replaced by what the user gave; a problem where one is open or no size. */
function resolved(
  input: string,
  shape: OnnxValueInfo["shape"] & object,
  dims: ReadonlyMap<string, number>,
): Shape | Problem {
  const sizes: number[] = [];
  for (const [d, size] of shape.entries()) {
    const value = typeof size === "string" ? dims.get(size) : size;
    if (value === undefined) {
      const open = new Set(shape.filter((other) => typeof other === "string" && !dims.has(other)));
      const flags = [...open].map((symbol) => `--dim '${symbol}=1'`).join(" ");
      const sizesOf = open.size === 1 ? "its size" : "the sizes";
      const flag =
        typeof size === "string" ? `give ${sizesOf} with ${flags}` : "export the model with fixed input shapes";
      const found = typeof size === "string" ? `the symbol '${size}'` : "not declared";
      return problem("onnx-dimension", { input, dimension: `${d}`, found, flag });
    }
    if (!(Number.isSafeInteger(value) && value >= 1)) {
      const flag = "a size is an integer from 1; export the model again";
      return problem("onnx-dimension", { input, dimension: `${d}`, found: `${value}`, flag });
    }
    sizes.push(value);
  }
  return sizes;
}
