import { code } from "./code.ts";

/** Codes of `sealwright verify`, SW690 and SW691 about its data and SW871 .. SW875 about what it finds. */
export const gateCodes = {
  "labels-missing": code<{ name: string; path: string }>({
    id: "SW690",
    severity: "error",
    exit: 3,
    message: (p) => `there is no file '${p.name}', and '${p.path}' holds no array of that name`,
    help: "give the labels as a file of numbers (.npy or text), or the name they have in the .npz archives of the data",
  }),
  "data-counts-differ": code<{ what: string; count: number; samples: number }>({
    id: "SW691",
    severity: "error",
    exit: 3,
    message: (p) => `there are ${p.count} ${p.what}, but ${p.samples} samples`,
    help: "give one for each sample of all the data, in the same order",
  }),
  "import-gate-missed": code<{ share: number; largest: number }>({
    id: "SW871",
    severity: "error",
    exit: 8,
    message: (p) =>
      `the network as it was read is off the expected outputs by up to ${p.largest.toPrecision(3)}, ${p.share.toPrecision(3)} times what is allowed`,
    help: "check that expected outputs and data belong together, in the same order and scaled alike; if they do, report it with the model",
  }),
  "compile-gate-missed": code<{ bits: number; limit: number; overflows: number }>({
    id: "SW872",
    severity: "error",
    exit: 8,
    message: (p) =>
      p.overflows > 0
        ? `on ${p.overflows} sample(s) a value is too large for its ciphertext`
        : `the plan on numbers is the network to ${p.bits.toFixed(1)} bits, needed are ${p.limit}`,
    help: (p) =>
      p.overflows > 0
        ? "check that the data is scaled as the model was trained; if it is, declare the range that the input really has, or calibrate ranges on this data, and compile again"
        : "compile the model again with this version; if it stays, report it with the model",
  }),
  "he-gate-missed": code<{
    name: string;
    bits: number;
    predicted: number;
    failed: number;
    failure: string | undefined;
  }>({
    id: "SW873",
    severity: "error",
    exit: 8,
    message: (p) =>
      p.failed > 0
        ? `${p.failed} encrypted sample(s) ended without a result; the first: ${p.failure}`
        : `'${p.name}' is right to ${p.bits.toFixed(1)} bits under encryption, predicted are ${p.predicted}`,
    help: "ask for more with 'precision' and compile again; please report a bound that does not hold, with the model",
  }),
  "task-gate-missed": code<{ loss: number; limit: number; isLabelled: boolean; undecided: number }>({
    id: "SW874",
    severity: "error",
    exit: 8,
    message: (p) =>
      p.undecided > 0
        ? `${p.undecided} sample(s) get another class than the network gives them, though its lead is larger than any error`
        : p.isLabelled
          ? `the plan gets ${p.loss.toPrecision(2)} % fewer of the samples right than the network, allowed are ${p.limit} %`
          : `the plan gives ${p.loss.toPrecision(2)} % of the samples another class than the network, allowed are ${p.limit} %`,
    help: (p) =>
      p.undecided > 0
        ? "the gates before say where the error comes from"
        : `calibrate ranges on more data, choose higher degrees or a smaller activation.tolerance, or allow more with --max-loss${p.isLabelled ? "" : "; with --labels what counts is the accuracy"}`,
  }),
  "no-sample-answered": code<{ samples: number; first: string }>({
    id: "SW875",
    severity: "error",
    exit: 3,
    message: (p) => `none of ${p.samples} sample(s) can be sent; the first: ${p.first}`,
    help: "scale the data as the model was trained, widen the declared range, or move such values to its ends with --clamp",
  }),
} as const;
