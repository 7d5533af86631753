import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import type { Kernel, LinearMap } from "../base/linear-map.ts";
import { type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import { type Attr, type AttrRecord, type AttrSpec, type AttrsOf, type AttrValue, isTensor } from "./attributes.ts";
import { multiply } from "./nn-arith.ts";
import { conv_transpose2d } from "./nn-conv-transpose.ts";
import { concat } from "./nn-join.ts";
import { batch_norm, conv2d, dense } from "./nn-linear.ts";
import { matmul } from "./nn-matmul.ts";
import { avg_pool, global_avg_pool } from "./nn-pool.ts";
import { mean, sum } from "./nn-reduce.ts";
import { expand, gather } from "./nn-select.ts";
import { pad } from "./nn-shape.ts";
import { defineOp, type NetworkOp, type Operand } from "./op.ts";

/** The layers a sum may be made of: those that are linear and do more than rename slots. */
const summable = {
  avg_pool,
  batch_norm,
  concat,
  conv2d,
  conv_transpose2d,
  dense,
  expand,
  gather,
  global_avg_pool,
  matmul,
  mean,
  multiply,
  pad,
  sum,
} as const;

type SummandName = keyof typeof summable;

/** One of the layers that a `sum_of` adds up. */
export interface Summand {
  readonly op: SummandName;
  readonly attrs: AttrsOf<AttrSpec>;
  /** Operands it takes of those of the sum, constants included. */
  readonly inputs: number;
  /** Taken off the sum instead of added to it. */
  readonly negated: boolean;
}

export function isSummable(op: string): op is SummandName {
  return Object.hasOwn(summable, op);
}

function opOf({ op }: Summand): NetworkOp<AttrSpec> {
  return summable[op] as unknown as NetworkOp<AttrSpec>;
}

const layersAttr: Attr<readonly Summand[]> = {
  doc: "what is summed: the layer, its attributes, how many of the operands it takes, and whether it is taken off instead of added",
  allowed: `a list of { op = ..., inputs = ..., settings = { ... }, negated = ... }, op being one of ${Object.keys(summable).join(", ")}; settings and negated may be left out`,
  read: (raw) => {
    if (!Array.isArray(raw) || raw.length === 0) return undefined;
    const layers = raw.map(readSummand);
    return layers.every((l) => l !== undefined) ? layers : undefined;
  },
  write: (layers) => layers.map(writeSummand),
};

function readSummand(raw: AttrValue): Summand | undefined {
  if (!isRecord(raw) || !hasOnly(raw, ["op", "inputs", "settings", "negated"])) return undefined;
  const { op, inputs, settings = {}, negated = false } = raw;
  if (typeof op !== "string" || !isSummable(op) || !isRecord(settings) || typeof negated !== "boolean")
    return undefined;
  if (typeof inputs !== "number" || !Number.isSafeInteger(inputs) || inputs < 1) return undefined;
  const attrs = readAttrs(summable[op].attrs, settings);
  return attrs && { op, attrs, inputs, negated };
}

function readAttrs(spec: AttrSpec, settings: AttrRecord): AttrsOf<AttrSpec> | undefined {
  if (!hasOnly(settings, Object.keys(spec))) return undefined;
  const attrs: Record<string, unknown> = {};
  for (const [key, attribute] of Object.entries(spec)) {
    const raw = settings[key];
    const value = raw === undefined ? attribute.fallback?.value : attribute.read(raw);
    if (value === undefined) return undefined;
    attrs[key] = value;
  }
  return attrs;
}

function writeSummand({ op, attrs, inputs, negated }: Summand): AttrRecord {
  const spec: AttrSpec = summable[op].attrs;
  const settings = Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, spec[key]!.write(value)]));
  return { op, inputs, settings, ...(negated ? { negated } : {}) };
}

function isRecord(raw: AttrValue): raw is AttrRecord {
  return typeof raw === "object" && !Array.isArray(raw) && !isTensor(raw);
}

function hasOnly(record: AttrRecord, keys: readonly string[]): boolean {
  return Object.keys(record).every((key) => keys.includes(key));
}

export const sum_of = defineOp({
  doc: "Sum of linear layers, computed as one: they share rotations, the rescale and the level. The compiler makes it of `add` and `subtract`; operands are those of all layers in order.",
  example:
    'y = sum_of(h, @conv2.weight, x, @skip.weight, layers = [{ op = "conv2d", inputs = 2, settings = { pad = 1 } }, { op = "conv2d", inputs = 2, settings = { stride = 2 } }])',
  inputs: [{ name: "operands", doc: "operands of the layers, one layer after another", takes: "any", variadic: true }],
  attrs: { layers: layersAttr },
  shape: (operands, { layers }) => {
    const needed = layers.reduce((n, l) => n + l.inputs, 0);
    if (operands.length !== needed)
      return problem("operand-count", { op: "sum_of", found: operands.length, allowed: `${needed}` });
    let sum: Shape | undefined;
    for (const [i, own] of dealt(operands, layers).entries()) {
      const shape = shapeOf(layers[i]!, own);
      if (isProblem(shape)) return shape;
      if (sum !== undefined && !sameShape(sum, shape))
        return problem("shape-mismatch", { op: "sum_of", left: sum, right: shape });
      sum ??= shape;
    }
    return sum!;
  },
  depth: () => 1,
  evaluate: (inputs, { layers }) => {
    const [first, ...rest] = dealt(inputs, layers).map((own, i): Tensor => {
      const { shape, data } = opOf(layers[i]!).evaluate(own, layers[i]!.attrs);
      return layers[i]!.negated ? { shape, data: data.map((v) => -v) } : { shape, data };
    });
    const data = first!.data.map((v, at) => rest.reduce((sum, other) => sum + other.data[at]!, v));
    return { shape: first!.shape, data };
  },
  linear: (operands, { layers }) => {
    const groups = dealt(operands, layers);
    return sumOfMaps(
      groups.map((own, i) => ({
        map: opOf(layers[i]!).linear!(own, layers[i]!.attrs)!,
        constants: own.filter((o) => o.constant).length,
        sign: layers[i]!.negated ? -1 : 1,
      })),
    );
  },
});

/** The items that belong to each layer. */
function dealt<T>(items: readonly T[], layers: readonly { readonly inputs: number }[]): T[][] {
  const starts = offsets(layers.map((l) => l.inputs));
  return layers.map(({ inputs }, i) => items.slice(starts[i]!, starts[i]! + inputs));
}

/** Where each of several parts begins when they lie one behind another. */
function offsets(sizes: readonly number[]): number[] {
  let next = 0;
  return sizes.map((size) => {
    const start = next;
    next += size;
    return start;
  });
}

/** The shape of a summand, or what is wrong with its operands. */
function shapeOf(layer: Summand, operands: readonly Operand[]): Shape | Problem {
  const op = opOf(layer);
  const variadic = op.inputs.at(-1)!.variadic === true;
  const least = op.inputs.filter((i) => !i.optional).length;
  const most = variadic ? Number.POSITIVE_INFINITY : op.inputs.length;
  if (operands.length < least || operands.length > most) {
    const allowed = variadic ? `at least ${least}` : least === most ? `${least}` : `${least} to ${most}`;
    return problem("operand-count", { op: layer.op, found: operands.length, allowed });
  }
  for (const [i, { constant }] of operands.entries()) {
    const { takes, name } = op.inputs[Math.min(i, op.inputs.length - 1)]!;
    if (takes === "constant" && !constant) return problem("needs-constant", { op: layer.op, operand: name });
    if (takes === "encrypted" && constant) return problem("needs-encrypted", { op: layer.op, operand: name });
  }
  const shape = op.shape(operands, layer.attrs);
  if (isProblem(shape) || op.linear?.(operands, layer.attrs) !== undefined) return shape;
  // The product of two encrypted values, the only thing in the table that may not be linear.
  return problem("needs-constant", { op: layer.op, operand: op.inputs.at(-1)!.name });
}

interface MapOfSum {
  readonly map: LinearMap;
  /** How many of the sum's constants are its own. */
  readonly constants: number;
  readonly sign: number;
}

/** The terms of all maps. Coefficient `k` of map `i` is number `k * (count of maps) + i`: how many a map has is not known yet. */
function sumOfMaps(parts: readonly MapOfSum[]): LinearMap {
  const count = parts.length;
  const firstInput = offsets(parts.map((p) => p.map.inputSizes.length));
  const constantsOf = (all: readonly Tensor[]) =>
    dealt(
      all,
      parts.map((p) => ({ inputs: p.constants })),
    );
  const { outputSize } = parts[0]!.map;
  const kernelsOf = ({ map }: MapOfSum, i: number) =>
    map.kernels!().map((kernel): Kernel => {
      const { first, perOutput, perChannel } = kernel.weights;
      const weights = { first: first * count + i, perOutput: perOutput * count, perChannel: perChannel * count };
      const taps = kernel.taps.map(({ pairs, weight }) => ({ pairs, weight: weight * count }));
      return { ...kernel, input: firstInput[i]! + kernel.input, taps, weights };
    });
  return {
    inputSizes: parts.flatMap((p) => p.map.inputSizes),
    outputSize,
    forRow: (row, visit) => {
      for (let i = 0; i < count; i++) {
        const first = firstInput[i]!;
        parts[i]!.map.forRow(row, (input, column, coefficient) =>
          visit(first + input, column, coefficient * count + i),
        );
      }
    },
    kernels: parts.every(({ map }) => map.kernels) ? () => parts.flatMap(kernelsOf) : undefined,
    coefficients: (constants) => {
      const own = constantsOf(constants).map((c, i) => parts[i]!.map.coefficients(c));
      const all = new Float64Array(Math.max(...own.map((c) => c.length)) * count);
      for (const [i, { sign }] of parts.entries())
        for (let k = 0; k < own[i]!.length; k++) all[k * count + i] = sign * own[i]![k]!;
      return all;
    },
    bias: (constants) => {
      let sum: Float64Array | undefined;
      for (const [i, own] of constantsOf(constants).entries()) {
        const bias = parts[i]!.map.bias(own);
        if (bias === undefined) continue;
        sum ??= new Float64Array(outputSize);
        for (let row = 0; row < outputSize; row++) sum[row]! += parts[i]!.sign * bias[row]!;
      }
      return sum;
    },
  };
}
