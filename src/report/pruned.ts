import type { Closeness } from "../driver/closeness.ts";
import type { ModelCost } from "../driver/model-groups.ts";
import type { PrunedModel } from "../driver/prune-model.ts";
import { counted, formatTime } from "./quantities.ts";
import { table } from "./table.ts";

/** What pruning did to a model: layer by layer, what the plan needs before and after, how close the outputs stay. */
export function prunedText({ layers, before, after, aligned, plain, refitted }: PrunedModel): string {
  const rows = table(
    [
      { title: "layer", align: "left", cell: (l) => l.layer, maxWidth: 32 },
      { title: "weights", align: "right", cell: (l) => `${l.weights}` },
      { title: "left", align: "right", cell: (l) => `${l.left}` },
      { title: "share", align: "right", cell: (l) => percent(l.left / l.weights) },
    ],
    layers,
  );
  const held = (what: string, closeness: Closeness | undefined) =>
    closeness === undefined
      ? ""
      : `${what} the outputs differ by ${percent(closeness.relativeError)} on ${counted(closeness.samples, "sample")} (held out), ${closeness.agreeing} of them with the largest output at the same place\n`;
  const order =
    aligned === undefined || aligned[0] === aligned[1]
      ? ""
      : `channels in another order: zeros at once would lose ${percent(aligned[1])} of what weighs in a layer instead of ${percent(aligned[0])}\n`;
  return `weights that stay
${rows}
${order}${costsChanged(before, after)}
${held("with zeros alone", plain)}${held("refitted", refitted)}`;
}

/** `packed anew: rotations 49 > 30, products 97 > 40, keys 15 > 14, time 1.3 s > 690 ms`. */
export function costsChanged(before: ModelCost, after: ModelCost): string {
  const change = (of: (cost: ModelCost) => number | string) => `${of(before)} > ${of(after)}`;
  return `packed anew: rotations ${change((c) => c.rotations)}, products ${change((c) => c.products)}, keys ${change((c) => c.keys)}, time ${change((c) => formatTime(c.milliseconds))}`;
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}

/** The same for `prune --json`. */
export function prunedJson({ layers, before, after, aligned, plain, refitted, untraced }: PrunedModel) {
  return { layers, before, after, aligned, heldOut: { plain, refitted }, folded: untraced };
}
