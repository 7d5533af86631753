import { fail, type Place } from "../base/diagnostic.ts";
import { elementCount, type Shape, sameShape, type Tensor } from "../base/tensor.ts";

/** Samples to learn from or to be judged by, in single precision. */
export interface TrainingData {
  readonly count: number;
  /** By input: sample behind sample. */
  readonly inputs: ReadonlyMap<string, Float32Array>;
  readonly wanted: Wanted;
}

/** What a network is to answer: a class, or numbers. */
export type Wanted =
  | { readonly kind: "labels"; readonly labels: Int32Array }
  | { readonly kind: "targets"; readonly targets: Float32Array };

/** The names under which a file says what is right. */
export const wantedNames = ["labels", "targets"] as const;

/**
 * Reads what is right from the arrays of a file. `labels`: one integer from 0 per sample, shaped [N] or with sizes of 1 besides;
 * `targets`: one output of the network per sample, [N, ...]. Labels count where both are there. Throws a SealwrightError.
 */
export function readWanted(
  arrays: ReadonlyMap<string, Tensor>,
  count: number,
  output: Shape,
  place: Place = "nowhere",
): Wanted {
  const [labels, targets] = wantedNames.map((name) => arrays.get(name));
  const classes = elementCount(output);
  if (labels !== undefined) {
    const { shape, data } = labels;
    if (data.length !== count || shape.filter((size) => size !== 1).length > 1)
      fail("target-shape", place, { array: "labels", found: shape, needed: [count] });
    const bad = data.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
    if (bad >= 0) fail("bad-label", place, { sample: bad + 1, found: data[bad]!, classes });
    return { kind: "labels", labels: Int32Array.from(data) };
  }
  if (targets === undefined) return fail("no-targets", place, { found: [...arrays.keys()] });
  const { shape, data } = targets;
  const leading = shape.slice(0, shape.length - output.length);
  const fits = sameShape(shape.slice(leading.length), output) && data.length === count * classes;
  if (!fits) fail("target-shape", place, { array: "targets", found: shape, needed: [count, ...output] });
  return { kind: "targets", targets: Float32Array.from(data) };
}

/** The samples from `start` to `end`. */
export function partOf({ count, inputs, wanted }: TrainingData, start: number, end: number): TrainingData {
  const cut = (data: Float32Array) => data.subarray((data.length / count) * start, (data.length / count) * end);
  return {
    count: end - start,
    inputs: new Map([...inputs].map(([name, data]) => [name, cut(data)])),
    wanted:
      wanted.kind === "labels"
        ? { kind: "labels", labels: wanted.labels.subarray(start, end) }
        : { kind: "targets", targets: cut(wanted.targets) },
  };
}
