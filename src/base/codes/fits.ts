import { code } from "./code.ts";

/** Codes of fitting activations, SW231 .. SW239. */
export const fitCodes = {
  "activation-not-finite": code<{ layer: string; op: string; low: number; high: number }>({
    id: "SW231",
    severity: "error",
    exit: 3,
    message: (p) =>
      `'${p.layer}' (${p.op}) has no finite value somewhere between ${p.low} and ${p.high}, where its operand is`,
    help: "state the range that its operand really has with @range(low, high), or calibrate ranges on data",
  }),
  "fit-by-intervals": code<{ layers: readonly string[] }>({
    id: "SW232",
    severity: "warning",
    exit: 3,
    message: (p) =>
      `nothing was observed of what ${p.layers.map((name) => `'${name}'`).join(", ")} ${p.layers.length === 1 ? "takes: it is" : "take: they are"} fitted to all values that are possible`,
    help: "such ranges are far too wide after a few layers: calibrate ranges on data, or state them with @range(low, high)",
  }),
  "fit-too-coarse": code<{ layer: string; op: string; percent: number; wanted: number }>({
    id: "SW233",
    severity: "warning",
    exit: 8,
    message: (p) =>
      `the best fit of '${p.layer}' (${p.op}) is off by ${p.percent} % of the spread of its values, asked for are at most ${p.wanted} %`,
    help: "calibrate ranges on data that is more like what will come, or ask for less with activation.tolerance",
  }),
  "outside-fit": code<{ layer: string; op: string; value: number; low: number; high: number }>({
    id: "SW234",
    severity: "warning",
    exit: 8,
    message: (p) =>
      `'${p.layer}' (${p.op}) is given ${p.value}, outside ${p.low} .. ${p.high}, where its polynomial was fitted: the result may be far off`,
    help: "calibrate ranges on data that has inputs like this one, or state a wider range with @range(low, high)",
  }),
  "client-range-by-intervals": code<{ layers: readonly string[]; largest: number }>({
    id: "SW235",
    severity: "warning",
    exit: 8,
    message: (p) =>
      `nothing was observed of ${named(p.layers)}, which the client encrypts within all that is possible, up to ${p.largest.toPrecision(2)}: so large a range costs precision`,
    help: "run 'sealwright calibrate-ranges' on data first: observed ranges are far smaller after a few layers; or state them with @range(low, high)",
  }),
} as const;

/** `'a', 'b' and 7 more`. */
function named(layers: readonly string[]): string {
  const most = 3;
  const shown = layers.slice(0, most).map((name) => `'${name}'`);
  return layers.length > most ? `${shown.join(", ")} and ${layers.length - most} more` : shown.join(", ");
}
