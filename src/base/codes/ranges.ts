import { code } from "./code.ts";
import { didYouMean } from "./spelling.ts";

const span = ([low, high]: readonly [number, number]) => `${low} .. ${high}`;
const quoted = (names: readonly string[]) => names.map((name) => `'${name}'`).join(", ");

/** SW68x: ranges of values, observed on data or stated. */
export const rangeCodes = {
  "bad-range": code<{ found: string }>({
    id: "SW680",
    severity: "error",
    exit: 3,
    message: (p) => `a range is two finite numbers, the smaller first, found is (${p.found})`,
    help: "write the smallest and the largest value: @range(-3, 5)",
  }),
  "bad-ranges-file": code<{ path: string; reason: string }>({
    id: "SW681",
    severity: "error",
    exit: 3,
    message: (p) => `the ranges in '${p.path}' cannot be used: ${p.reason}`,
    help: "run 'sealwright calibrate-ranges' again, or delete the file",
  }),
  "ranges-unknown-layer": code<{ layer: string; source: string; meant: string | undefined; model: string }>({
    id: "SW682",
    severity: "error",
    exit: 3,
    message: (p) => `${p.source} a range of layer '${p.layer}', which network '${p.model}' does not have`,
    help: (p) =>
      didYouMean(
        p.meant,
        "the model has changed since the ranges were observed: run 'sealwright calibrate-ranges' again",
      ),
  }),
  "data-outside-range": code<{
    input: string;
    element: number;
    found: number;
    range: readonly [number, number];
    count: number;
  }>({
    id: "SW683",
    severity: "error",
    exit: 8,
    message: (p) =>
      `element ${p.element} for input '${p.input}' is ${p.found}${p.count > 1 ? ` (and ${p.count - 1} more are outside)` : ""}, declared are ${span(p.range)}`,
    help: "scale the data as the model was trained, widen the declared range, or move such values to its ends with --clamp",
  }),
  "range-not-covering": code<{
    layer: string;
    what: string;
    stated: readonly [number, number];
    observed: readonly [number, number];
  }>({
    id: "SW684",
    severity: "error",
    exit: 8,
    message: (p) =>
      `the ${p.what} of '${p.layer}' is ${span(p.stated)}, but values observed on data go from ${p.observed[0]} to ${p.observed[1]}`,
    help: "widen the range, or look for what is wrong with the data; a smaller range on purpose needs ranges of other data",
  }),
  "layer-not-finite": code<{ layer: string; op: string; sample: number; found: number }>({
    id: "SW685",
    severity: "error",
    exit: 3,
    message: (p) =>
      `layer '${p.layer}' (${p.op}) has the value ${p.found} on sample ${p.sample}, allowed are finite numbers`,
    help: "check that the data is scaled as the model was trained, and that the weights are the trained ones",
  }),
  "no-samples": code<{ path: string }>({
    id: "SW686",
    severity: "error",
    exit: 3,
    message: (p) => `there is no sample in ${p.path}`,
    help: "give .npy or .npz files, or folders of them, with at least one input of the network",
  }),
  "sample-shape": code<{ input: string; found: readonly number[]; shape: readonly number[] }>({
    id: "SW687",
    severity: "error",
    exit: 3,
    message: (p) =>
      `an array of shape [${p.found.join(", ")}] holds no samples for input '${p.input}', needed is [${p.shape.join(", ")}] or, for several samples, [N, ${p.shape.join(", ")}]`,
    help: "reshape or transpose the data to the order of dimensions the network has",
  }),
  "sample-arrays": code<{ inputs: readonly string[]; found: readonly string[] }>({
    id: "SW688",
    severity: "error",
    exit: 3,
    message: (p) =>
      `the file holds ${p.found.length === 0 ? "no arrays" : `the arrays ${quoted(p.found.slice(0, 8))}`}, needed is one array for each of the inputs ${quoted(p.inputs)}`,
    help: "save them under the inputs' names: numpy.savez(path, NAME=array)",
  }),
  "sample-counts": code<{ first: string; count: number; second: string; other: number }>({
    id: "SW689",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.first}' has ${p.count} samples, '${p.second}' has ${p.other}`,
    help: "each sample is one value of every input: save as many of each",
  }),
} as const;
