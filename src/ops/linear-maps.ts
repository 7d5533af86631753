import type { Kernel, LinearMap, Tap } from "../base/linear-map.ts";

const one = Float64Array.of(1);

/** Copies: element `r` of the result is element `sources[r]` of the only operand, which has `inputSize` elements. */
export function selection(inputSize: number, sources: Int32Array): LinearMap {
  return copies(inputSize, sources.length, (row) => sources[row]!);
}

export function identityMap(size: number): LinearMap {
  return copies(size, size, (row) => row);
}

function copies(inputSize: number, outputSize: number, source: (row: number) => number): LinearMap {
  return {
    inputSizes: [inputSize],
    outputSize,
    forRow: (row, visit) => visit(0, source(row), 0),
    kernels: once(() => {
      const pairs = new Int32Array(2 * outputSize);
      for (let row = 0; row < outputSize; row++) pairs.set([row, source(row)], 2 * row);
      return [channelwise(1, outputSize, inputSize, [{ pairs, weight: 0 }])];
    }),
    coefficients: () => one,
    bias: () => undefined,
  };
}

/** A kernel that leaves channels apart, and has the same weights in all of them. */
export function channelwise(channels: number, rows: number, columns: number, taps: readonly Tap[]): Kernel {
  const weights = { first: 0, perOutput: 0, perChannel: 0 };
  return { input: 0, groups: channels, outputs: channels, perGroup: 1, rows, columns, taps, weights };
}

/** Kernels that are made when first asked for. */
export function once(make: () => readonly Kernel[]): () => readonly Kernel[] {
  let made: readonly Kernel[] | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** The elements that a selection takes. */
export function picked(data: Float64Array, sources: Int32Array): Float64Array {
  const result = new Float64Array(sources.length);
  for (let i = 0; i < sources.length; i++) result[i] = data[sources[i]!]!;
  return result;
}

/** Each number `times` times in a row: a value per channel as a value per element. */
export function perChannel(values: Float64Array, times: number): Float64Array {
  const spread = new Float64Array(values.length * times);
  for (let c = 0; c < values.length; c++) spread.fill(values[c]!, c * times, (c + 1) * times);
  return spread;
}
