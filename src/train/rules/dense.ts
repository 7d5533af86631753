import type { Rule } from "../value.ts";

/** Rows of a batch times the weight, as matrix products over the batch. */
export const dense: Rule<"dense"> = ({ inputs: [x, weight, bias], output: y, arena }) => {
  const [outputs, columns] = [y.size, x!.size];
  const matrix = (address: number, row: number, column = 1) => ({ address, row, column });
  return {
    forward(samples) {
      const { data } = y.values;
      for (let i = 0; i < samples; i++) {
        if (bias === undefined) data.fill(0, i * outputs, (i + 1) * outputs);
        else data.set(bias.values.data, i * outputs);
      }
      arena.products.addDots(
        matrix(y.values.address, outputs),
        matrix(x!.values.address, columns),
        matrix(weight!.values.address, columns),
        { rows: samples, columns: outputs, depth: columns },
      );
    },
    backward(samples) {
      const slopes = y.slopes!;
      if (weight!.slopes !== undefined) {
        arena.products.add(
          matrix(weight!.slopes.address, columns),
          matrix(slopes.address, 1, outputs),
          matrix(x!.values.address, columns),
          { rows: outputs, columns, depth: samples },
        );
      }
      if (x!.slopes !== undefined) {
        arena.products.add(
          matrix(x!.slopes.address, columns),
          matrix(slopes.address, outputs),
          matrix(weight!.values.address, columns),
          { rows: samples, columns, depth: outputs },
        );
      }
      if (bias?.slopes !== undefined) addPerChannel(slopes.data, bias.slopes.data, samples, 1);
    },
  };
};

/** Adds up the slopes of each channel, which has `perChannel` elements of a sample: the slope of what is added to all of it. */
export function addPerChannel(slopes: Float32Array, to: Float32Array, samples: number, perChannel: number): void {
  const channels = to.length;
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = 0; i < samples; i++) {
      const start = (i * channels + c) * perChannel;
      for (let at = start; at < start + perChannel; at++) sum += slopes[at]!;
    }
    to[c]! += sum;
  }
}
