import type { RewrittenModel, SkipTotals } from "../driver/rewrite-model.ts";
import { counted } from "./quantities.ts";
import { table } from "./table.ts";

/** What rewriting skips did to a network: block by block, then its outputs, then what skips cost. */
export function rewrittenText({ blocks, fitted, heldOut, before, after }: RewrittenModel): string {
  const rows = table(
    [
      { title: "sum", align: "left", cell: (b) => b.join, maxWidth: 24 },
      { title: "layers", align: "left", cell: (b) => b.layers.join(", "), maxWidth: 40 },
      { title: "alpha", align: "right", cell: (b) => `${b.alpha}` },
      { title: "differs by", align: "right", cell: (b) => percent(b.loss) },
      { title: "long skip from", align: "left", cell: (b) => b.longSkip ?? "", maxWidth: 24 },
    ],
    blocks,
    120,
  );
  const closeness = (of: typeof fitted) =>
    `by ${percent(of.relativeError)} on ${counted(of.samples, "sample")}, ${of.agreeing} of them with the largest output at the same place`;
  const held = heldOut === undefined ? "" : `and ${closeness(heldOut)} (held out)\n`;
  const change = (of: (totals: SkipTotals) => number) => `${of(before)} > ${of(after)}`;
  return `skips that became Dirac convolutions, and by how much their sums differ from what they were
(rms; alpha is what layers before the last pass on of their operand)
${rows}
the outputs differ ${closeness(fitted)}
${held}
skips ${change((t) => t.skips)}, with ciphertexts that wait for them ${change((t) => t.liveCiphertexts)}; joining them takes
levels ${change((t) => t.levels)}, plaintext products ${change((t) => t.plainMultiplications)}, rotations ${change((t) => t.rotations)}
`;
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}

/** The same for `rewrite --json`. */
export function rewrittenJson({ blocks, fitted, heldOut, before, after }: RewrittenModel) {
  return { blocks, fitted, heldOut: heldOut ?? null, skips: { before, after } };
}
