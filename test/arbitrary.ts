import * as fc from "fast-check";
import { elementCount, type Shape, sameShape, type Tensor } from "../src/base/tensor.ts";
import { allLayers, type LayerName, layerWeights } from "./arbitrary-layers.ts";
import { NetworkMaker, type NetworkOptions, type RandomNetwork, type Value } from "./arbitrary-maker.ts";
import { describe } from "./arbitrary-text.ts";

export { allLayers, type LayerName } from "./arbitrary-layers.ts";
export type { NetworkOptions, RandomNetwork } from "./arbitrary-maker.ts";
export { describe, distance, layersOf, randomFrom } from "./arbitrary-text.ts";

/** One layer before it is known what it meets: choices are read modulo what is possible, so that shrinking keeps making sense. */
interface Step {
  readonly layer: LayerName;
  readonly choices: readonly number[];
}

/**
 * Random networks: convolutions with stride, padding, dilation and groups, dense layers, pools, residual sums, products,
 * joins, slices in any order, several inputs and outputs, values with several users, weights that are all zero, odd sizes.
 */
export function networks(options: NetworkOptions = {}): fc.Arbitrary<RandomNetwork> {
  const { maxLayers = 7, layers = allLayers } = options;
  const layer = fc.oneof(...layers.map((name) => ({ arbitrary: fc.constant(name), weight: layerWeights[name] ?? 1 })));
  const choices = fc.array(fc.nat(1023), { minLength: 14, maxLength: 14 });
  const steps = fc.array(fc.record({ layer, choices }), { minLength: 1, maxLength: maxLayers, size: "max" });
  return fc.tuple(choices, steps).map(([first, rest]) => new Maker(options).make(first, rest));
}

class Maker extends NetworkMaker {
  make(first: readonly number[], steps: readonly Step[]): RandomNetwork {
    this.begin(first);
    this.input();
    for (const { layer, choices } of steps) {
      this.begin(choices);
      this[layer]();
    }
    const made = this.finish(first);
    Object.defineProperty(made, fc.toStringMethod, { value: () => describe(made.graph) });
    return made;
  }

  private conv2d(): void {
    const x = this.image();
    if (x === undefined) return;
    const channels = x.shape[0]!;
    const groups = this.chance(3) ? this.oneOf(divisors(channels).toReversed()) : 1;
    const outputs = groups * this.between(1, Math.max(1, Math.floor(6 / groups)));
    const kernel = this.chance(4) ? ([1, 1] as const) : this.pair(1, 3);
    const attrs = {
      stride: this.chance(2) ? this.pair(1, 3) : ([1, 1] as const),
      pad: this.sides(2),
      dilation: this.chance(4) ? this.pair(1, 2) : ([1, 1] as const),
      groups,
    };
    const perGroup = channels / groups;
    const weight = this.numbers([outputs, perGroup, ...kernel], 2 / Math.sqrt(perGroup * kernel[0] * kernel[1]));
    this.layer("conv2d", [x, weight, ...this.bias(outputs)], attrs);
  }

  private conv_transpose2d(): void {
    const x = this.image();
    if (x === undefined) return;
    const channels = x.shape[0]!;
    const groups = this.chance(3) ? this.oneOf(divisors(channels).toReversed()) : 1;
    const perGroup = this.between(1, Math.max(1, Math.floor(4 / groups)));
    const kernel = this.pair(1, 3);
    const attrs = {
      stride: this.chance(2) ? ([1, 1] as const) : this.pair(1, 3),
      pad: this.sides(1),
      dilation: this.chance(4) ? this.pair(1, 2) : ([1, 1] as const),
      groups,
      output_pad: this.chance(3) ? this.pair(0, 2) : ([0, 0] as const),
    };
    const weight = this.numbers([channels, perGroup, ...kernel], 2 / Math.sqrt(channels / groups));
    this.layer("conv_transpose2d", [x, weight, ...this.bias(perGroup * groups)], attrs);
  }

  /** A convolution of one value and a convolution or a product of another of the same shape. */
  private sum_of(): void {
    const x = this.image();
    const other = x && this.operand((v) => sameShape(v.shape, x.shape));
    if (x === undefined || other === undefined) return;
    const channels = x.shape[0]!;
    const isProduct = this.chance(3);
    const outputs = isProduct ? channels : this.between(1, 4);
    const stride: readonly [number, number] = isProduct || this.chance(2) ? [1, 1] : [2, 2];
    const conv = (half: number) => ({
      op: "conv2d" as const,
      inputs: 2,
      attrs: { stride, pad: [half, half, half, half] as const, dilation: [1, 1], groups: 1 },
      negated: this.chance(4),
      weight: this.numbers([outputs, channels, 2 * half + 1, 2 * half + 1], 1 / Math.sqrt(channels)),
    });
    const product = { op: "multiply" as const, inputs: 2, attrs: {}, negated: false, weight: this.numbers([channels]) };
    const [{ weight: first, ...left }, { weight: second, ...right }] = [conv(1), isProduct ? product : conv(0)];
    this.layer("sum_of", [x, first, other, second], { layers: [left, right] });
  }

  private bias(outputs: number): Tensor[] {
    return this.chance(3) ? [] : [this.numbers([outputs], 0.5)];
  }

  private dense(): void {
    const x = this.operand();
    if (x === undefined) return;
    const vector = x.shape.length === 1 ? x : this.layer("flatten", [x], {});
    if (vector === undefined) return;
    const outputs = this.between(1, 12);
    const weight = this.numbers([outputs, vector.shape[0]!], 2 / Math.sqrt(vector.shape[0]!));
    this.layer("dense", [vector, weight, ...this.bias(outputs)], {});
  }

  private matmul(): void {
    const x = this.operand((v) => v.shape.length >= 2);
    if (x === undefined) return;
    const batch = x.shape.slice(0, -2).map((size) => (this.chance(2) ? 1 : size === 1 ? this.between(1, 2) : size));
    const [rows, columns] = x.shape.slice(-2) as [number, number];
    const other = this.between(1, 6);
    if (this.chance(2)) this.layer("matmul", [this.numbers([...batch, other, rows], 2 / Math.sqrt(rows)), x], {});
    else this.layer("matmul", [x, this.numbers([...batch, columns, other], 2 / Math.sqrt(columns))], {});
  }

  private batch_norm(): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const channels = [x.shape[0]!];
    const statistics = [
      this.numbers(channels, 1.5),
      this.numbers(channels),
      this.numbers(channels),
      this.numbers(channels, 2, 0.5),
    ];
    this.layer("batch_norm", [x, ...statistics], { epsilon: this.oneOf([1e-5, 1e-3, 0.1]) });
  }

  private avg_pool(): void {
    const x = this.image();
    if (x === undefined) return;
    const kernel = this.pair(1, 3);
    const stride = this.chance(2) ? this.pair(1, 3) : ([0, 0] as const);
    this.layer("avg_pool", [x], { kernel, stride, pad: this.sides(1), count_include_pad: this.chance(2) });
  }

  private global_avg_pool(): void {
    const x = this.image();
    if (x !== undefined) this.layer("global_avg_pool", [x], {});
  }

  private mean(): void {
    this.reduction("mean");
  }

  private sum(): void {
    this.reduction("sum");
  }

  private reduction(op: "mean" | "sum"): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const mask = this.between(1, 2 ** x.shape.length - 1);
    this.layer(op, [x], {
      axes: x.shape.flatMap((_, d) => ((mask >> d) & 1 ? [d] : [])),
      keep_dims: this.chance(2),
    });
  }

  private flatten(): void {
    const x = this.operand();
    if (x !== undefined) this.layer("flatten", [x], {});
  }

  private reshape(): void {
    const x = this.operand();
    if (x === undefined) return;
    const size = elementCount(x.shape);
    const first = this.oneOf(divisors(size));
    const second = this.oneOf(divisors(size / first));
    this.layer("reshape", [x], {
      shape: this.oneOf([[first, second, -1], [first, size / first], [first, -1], [-1], [second, 1, first, -1]]),
    });
  }

  private transpose(): void {
    const x = this.operand((v) => v.shape.length >= 2);
    if (x === undefined) return;
    const rest = x.shape.map((_, d) => d);
    const perm = x.shape.map(() => rest.splice(this.next() % rest.length, 1)[0]!);
    this.layer("transpose", [x], { perm });
  }

  private slice(): void {
    const x = this.operand();
    if (x === undefined) return;
    const begin = x.shape.map((size) => (this.chance(2) ? this.between(0, size - 1) : 0));
    const end = x.shape.map((size, d) => (this.chance(2) ? this.between(begin[d]! + 1, size) : size));
    const step = this.chance(3) ? x.shape.map(() => this.between(1, 2)) : [];
    this.layer("slice", [x], { begin, end, step });
  }

  /** Repeats a value along its dimensions of size 1, or a slice of it where it has none. */
  private expand(): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const along = this.next() % x.shape.length;
    const part = x.shape.includes(1) ? x : this.layer("gather", [x], { indices: [0], axis: along });
    if (part === undefined) return;
    this.layer("expand", [part], { shape: part.shape.map((size) => (size === 1 ? this.between(1, 4) : size)) });
  }

  private gather(): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const axis = this.next() % x.shape.length;
    const indices = Array.from({ length: this.between(1, 5) }, () => this.next() % x.shape[axis]!);
    this.layer("gather", [x], { indices, axis: this.chance(3) ? axis - x.shape.length : axis });
  }

  private pad(): void {
    const x = this.operand((v) => v.shape.length >= 2);
    if (x !== undefined) this.layer("pad", [x], { sides: this.sides(2), value: this.oneOf([0, 0, 0, 0.5]) });
  }

  private concat(): void {
    const x = this.operand((v) => v.shape.length > 0);
    if (x === undefined) return;
    const axis = this.next() % x.shape.length;
    const agree = (v: Value) =>
      v.shape.length === x.shape.length && v.shape.every((size, d) => d === axis || size === x.shape[d]);
    const parts: (Value | Tensor)[] = [x, this.operand(agree)!];
    if (this.chance(3))
      parts.splice(this.next() % 3, 0, this.numbers(x.shape.map((size, d) => (d === axis ? 2 : size))));
    this.layer("concat", parts, { axis: this.chance(3) ? axis - x.shape.length : axis });
  }

  private add(): void {
    this.elementwise("add");
  }

  private subtract(): void {
    this.elementwise("subtract");
  }

  private multiply(): void {
    this.elementwise("multiply");
  }

  private elementwise(op: "add" | "subtract" | "multiply"): void {
    const x = this.operand();
    if (x === undefined) return;
    const alike = this.values.filter((v) => sameShape(v.shape, x.shape));
    const channel = x.shape.length > 1 ? [[x.shape[0]!], [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]] : [];
    const other = this.chance(2)
      ? this.numbers(this.oneOf<Shape>([[], [1].slice(x.shape.length === 0 ? 1 : 0), x.shape, ...channel]), 1.5)
      : this.oneOf(alike);
    this.layer(op, this.chance(2) ? [other, x] : [x, other], {});
  }

  private negate(): void {
    const x = this.operand();
    if (x !== undefined) this.layer("negate", [x], {});
  }

  private square(): void {
    const x = this.operand();
    if (x !== undefined) this.layer("square", [x], {});
  }

  private polynomial(): void {
    const x = this.operand();
    if (x === undefined) return;
    const degree = this.oneOf([2, 2, 2, 3, 1, 0, 4, 5, 7]);
    const coeffs = [...this.numbers([degree + 1], 1).data].map((c) =>
      this.chance(5) ? 0 : Math.round(c * 1024) / 1024,
    );
    const chebyshev = this.chance(3)
      ? this.oneOf([
          [-4, 4],
          [-1, 3],
          [-3, 3.5],
          [0.5, 2],
        ])
      : [];
    this.layer("polynomial", [x], { coeffs, chebyshev });
  }
}

function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
}
