import { bell } from "../random.ts";

/** A step of the network that can learn. `backward` must follow the `forward` of the same image. */
export interface Layer {
  forward(x: Float64Array): Float64Array;
  /** Takes the slope of the loss along each output, adds up the slopes along the parameters, returns those along the inputs. */
  backward(slope: Float64Array): Float64Array;
  readonly parameters: readonly Parameter[];
}

/** Numbers that training changes, with the slope of the loss along each. */
export interface Parameter {
  readonly values: Float64Array;
  readonly slope: Float64Array;
}

function parameter(length: number, value: () => number): Parameter {
  return { values: Float64Array.from({ length }, value), slope: new Float64Array(length) };
}

/** `y = x * x`: the activation that costs one ciphertext multiplication. */
export function square(): Layer {
  let input: Float64Array;
  return {
    parameters: [],
    forward: (x) => {
      input = x;
      return x.map((v) => v * v);
    },
    backward: (slope) => slope.map((s, i) => 2 * s * input[i]!),
  };
}

/** `y = W x + b` with `W` of shape [outputs, inputs]. `spread` is the standard deviation of the first weights. */
export function dense(inputs: number, outputs: number, spread: number, random: () => number): Layer {
  // Output r sees every input through its own row of weights.
  return linear(
    inputs,
    outputs,
    inputs,
    (r) => ({ from: identity(inputs), row: r, output: r }),
    outputs,
    spread,
    random,
  );
}

/** A convolution of a one-channel image with 3x3 windows, stride 2 and a border of zeros: [1, size, size] to [channels, size/2, size/2]. */
export function conv3x3(size: number, channels: number, spread: number, random: () => number): Layer {
  const half = size / 2;
  const windows = Array.from({ length: half * half }, (_, w) => {
    const [top, left] = [2 * Math.floor(w / half) - 1, 2 * (w % half) - 1];
    return Int32Array.from({ length: 9 }, (_, tap) => {
      const [y, x] = [top + Math.floor(tap / 3), left + (tap % 3)];
      return y >= 0 && x >= 0 && y < size && x < size ? y * size + x : outside;
    });
  });
  const view = (k: number) => {
    const row = Math.floor(k / windows.length);
    return { from: windows[k % windows.length]!, row, output: k };
  };
  return linear(size * size, channels * windows.length, 9, view, channels, spread, random);
}

/** In a list of input indices: the border of zeros. */
const outside = -1;

interface View {
  /** The inputs that meet the row of weights, in order. */
  readonly from: Int32Array;
  readonly row: number;
  readonly output: number;
}

function identity(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}

/** A layer whose outputs are each one row of weights applied to some of the inputs; rows may be shared, as in a convolution. */
function linear(
  inputs: number,
  outputs: number,
  width: number,
  view: (output: number) => View,
  rows: number,
  spread: number,
  random: () => number,
): Layer {
  const weights = parameter(rows * width, () => spread * bell(random));
  const bias = parameter(rows, () => 0);
  const views = Array.from({ length: outputs }, (_, i) => view(i));
  let input: Float64Array;
  return {
    parameters: [weights, bias],
    forward(x) {
      input = x;
      return Float64Array.from(views, ({ from, row }) => {
        let sum = bias.values[row]!;
        for (let k = 0; k < width; k++) {
          const at = from[k]!;
          if (at !== outside) sum += weights.values[row * width + k]! * x[at]!;
        }
        return sum;
      });
    },
    backward(slope) {
      const back = new Float64Array(inputs);
      for (const { from, row, output } of views) {
        const s = slope[output]!;
        if (s === 0) continue;
        bias.slope[row]! += s;
        for (let k = 0; k < width; k++) {
          const at = from[k]!;
          if (at === outside) continue;
          weights.slope[row * width + k]! += s * input[at]!;
          back[at]! += s * weights.values[row * width + k]!;
        }
      }
      return back;
    },
  };
}

/** Adam with decoupled weight decay. Call after the slopes of a batch were added up; it clears them. */
export function adam(parameters: readonly Parameter[], decay: number): (rate: number) => void {
  const [keep1, keep2, epsilon] = [0.9, 0.999, 1e-8];
  const means = parameters.map((p) => new Float64Array(p.values.length));
  const squares = parameters.map((p) => new Float64Array(p.values.length));
  let [unseen1, unseen2] = [1, 1];
  return (rate) => {
    unseen1 *= keep1;
    unseen2 *= keep2;
    for (const [p, { values, slope }] of parameters.entries()) {
      const [mean, square] = [means[p]!, squares[p]!];
      for (let i = 0; i < values.length; i++) {
        const s = slope[i]!;
        mean[i] = keep1 * mean[i]! + (1 - keep1) * s;
        square[i] = keep2 * square[i]! + (1 - keep2) * s * s;
        const step = mean[i]! / (1 - unseen1) / (Math.sqrt(square[i]! / (1 - unseen2)) + epsilon);
        values[i]! -= rate * (step + decay * values[i]!);
      }
      slope.fill(0);
    }
  };
}
