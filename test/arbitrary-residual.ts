import * as fc from "fast-check";
import { type Shape, sameShape } from "../src/base/tensor.ts";
import { NetworkMaker, type NetworkOptions, type RandomNetwork, type Value } from "./arbitrary-maker.ts";
import { describe } from "./arbitrary-text.ts";
import { attrsFor } from "./ops-builder.ts";

/** What goes around a branch, or beside it. */
const blocks = [
  "around",
  "around",
  "pair",
  "parallel",
  "nested",
  "long",
  "twice",
  "stride",
  "channels",
  "active",
] as const;

type Branch = (x: Value) => Value | undefined;

/**
 * Random residual networks: skips as they are, scaled, negated, per channel or normalized, around one or two linear layers or
 * an activation; blocks in blocks, skips from far back, sums of two sources, strides with a convolution or with a slice and
 * channels of zeros on the way around, convolutions beside each other; kernels of any size, in groups, depthwise, dilated.
 */
export function residualNetworks(options: NetworkOptions & { readonly maxBlocks?: number } = {}) {
  const choices = fc.array(fc.nat(1023), { minLength: 40, maxLength: 40 });
  const steps = fc.array(fc.record({ block: fc.constantFrom(...blocks), choices }), {
    minLength: 1,
    maxLength: options.maxBlocks ?? 4,
    size: "max",
  });
  return fc.tuple(choices, steps).map(([first, rest]): RandomNetwork => {
    const made = new ResidualMaker(options).make(first, rest);
    Object.defineProperty(made, fc.toStringMethod, { value: () => describe(made.graph) });
    return made;
  });
}

class ResidualMaker extends NetworkMaker {
  make(
    first: readonly number[],
    steps: readonly { readonly block: (typeof blocks)[number]; readonly choices: readonly number[] }[],
  ): RandomNetwork {
    this.begin(first);
    this.input();
    for (const { block, choices } of steps) {
      this.begin(choices);
      const x = this.next() % 5 < 4 ? this.values.at(-1)! : this.oneOf(this.values);
      this.block(block, x);
    }
    return this.finish(first);
  }

  private block(block: (typeof blocks)[number], x: Value): Value | undefined {
    const linear: Branch = (v) => this.linear(v);
    switch (block) {
      case "around":
        return this.join(linear(x), this.skip(x));
      case "pair":
        return this.join(this.scaled(linear(linear(x) ?? x)), this.skip(x));
      case "parallel":
        return this.join(linear(x), linear(x), this.chance(2) ? this.skip(x) : undefined);
      case "nested": {
        const inner = this.join(linear(x), this.skip(x)) ?? x;
        return this.join(linear(this.chance(2) ? this.active(inner) : inner), this.skip(x));
      }
      case "long": {
        const source = this.oneOf(this.values.filter((v) => sameShape(v.shape, x.shape)));
        return this.join(linear(x), this.skip(source), this.chance(2) ? linear(source) : undefined);
      }
      case "twice":
        return this.join(linear(x), this.skip(x), this.skip(x));
      case "stride":
        return this.strided(x);
      case "channels": {
        const wide = this.extended(x);
        return wide && this.join(this.convolution(x, wide.shape[0]!, 1), wide);
      }
      case "active":
        return this.join(linear(this.active(linear(x) ?? x)), this.skip(x));
    }
  }

  /** The values there are, added up or taken off; those that are missing or of another shape left out. */
  private join(...parts: readonly (Value | undefined)[]): Value | undefined {
    const [first, ...others] = parts.filter((p) => p !== undefined);
    let sum = first;
    for (const other of others) {
      if (sum === undefined || !sameShape(sum.shape, other.shape)) continue;
      const operands = this.chance(2) ? [sum, other] : [other, sum];
      sum = this.layer(this.chance(3) ? "subtract" : "add", operands, {}) ?? sum;
    }
    return this.chance(3) && sum !== undefined ? this.active(sum) : sum;
  }

  private active(x: Value): Value {
    if (this.chance(2)) return this.layer("square", [x], {}) ?? x;
    return this.layer("polynomial", [x], attrsFor("polynomial", { coeffs: [0.25, 0.5, 0.125] })) ?? x;
  }

  /** A layer with weights whose result mostly has the shape of its operand. */
  private linear(x: Value): Value | undefined {
    if (x.shape.length === 3) {
      const y = this.convolution(x, this.chance(5) ? x.shape[0]! + 1 : x.shape[0]!, 1);
      return y && this.scaled(y);
    }
    const vector = x.shape.length === 1 ? x : this.layer("flatten", [x], {});
    if (vector === undefined) return undefined;
    const outputs = this.chance(5) ? this.between(1, 6) : vector.shape[0]!;
    const weight = this.numbers([outputs, vector.shape[0]!], 2 / Math.sqrt(vector.shape[0]!));
    const bias = this.chance(2) ? [] : [this.numbers([outputs], 0.5)];
    return this.scaled(this.layer("dense", [vector, weight, ...bias], {}));
  }

  private convolution(x: Value, outputs: number, stride: number): Value | undefined {
    if (x.shape.length !== 3) return undefined;
    const channels = x.shape[0]!;
    const groups = this.chance(3) && outputs === channels ? channels : 1;
    const kernel = this.oneOf([
      [3, 3],
      [1, 1],
      [3, 1],
      [2, 2],
      [5, 3],
    ] as const);
    const dilation = this.chance(4) ? ([2, 1] as const) : ([1, 1] as const);
    const around = kernel.map((k, axis) => (k - 1) * dilation[axis]!) as [number, number];
    const before = around.map((a) => (this.chance(4) ? 0 : this.chance(4) ? a : Math.floor(a / 2))) as [number, number];
    const attrs = {
      stride: [stride, stride],
      pad: [before[0], before[1], around[0] - before[0], around[1] - before[1]],
      dilation,
      groups,
    };
    const weight = this.numbers(
      [outputs, channels / groups, ...kernel],
      2 / Math.sqrt(channels * kernel[0] * kernel[1]),
    );
    return this.layer("conv2d", [x, weight, ...(this.chance(2) ? [] : [this.numbers([outputs], 0.5)])], attrs);
  }

  private skip(x: Value): Value | undefined {
    return this.chance(2) ? x : this.scaled(x);
  }

  private scaled(x: Value | undefined): Value | undefined {
    if (x === undefined) return undefined;
    const channels: Shape = x.shape.length > 1 ? [x.shape[0]!] : x.shape;
    switch (this.next() % 7) {
      case 0:
        return this.layer("multiply", [x, this.numbers([], 1)], {});
      case 1:
        return this.layer("multiply", [this.numbers(this.chance(4) ? x.shape : channels, 1), x], {});
      case 2:
        return this.layer("negate", [x], {});
      case 3:
        return this.layer("add", [x, this.numbers(channels, 0.5)], {});
      case 4: {
        const statistics = [this.numbers(channels), this.numbers(channels), this.numbers(channels)];
        const size = [x.shape[0]!];
        const fits = sameShape(channels, size);
        if (!fits) return x;
        return this.layer("batch_norm", [x, ...statistics, this.numbers(channels, 2, 0.5)], { epsilon: 1e-3 });
      }
      default:
        return x;
    }
  }

  /** Half the height and width, on both ways. */
  private strided(x: Value): Value | undefined {
    if (x.shape.length !== 3) return undefined;
    const outputs = x.shape[0]! + (this.chance(2) ? 0 : 2);
    const main = this.convolution(x, outputs, 2);
    if (main === undefined || this.chance(2)) return this.join(main, this.convolution(x, outputs, 2));
    const [channels, height, width] = x.shape as [number, number, number];
    const step = [1, 2, 2];
    const half = this.layer("slice", [x], { begin: [0, 0, 0], end: [channels, height, width], step });
    if (half === undefined) return main;
    return this.join(main, outputs === channels ? half : this.extended(half));
  }

  /** A channel of one number before it and one behind. */
  private extended(x: Value): Value | undefined {
    if (x.shape.length !== 3) return undefined;
    const [, height, width] = x.shape as [number, number, number];
    const number = this.chance(2) ? 0 : 0.5;
    const plane = { shape: [1, height, width], data: new Float64Array(height * width).fill(number) };
    return this.layer("concat", [plane, x, plane], { axis: 0 });
  }
}
