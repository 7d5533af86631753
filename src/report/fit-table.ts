import type { LayerFit } from "../ir/fits.ts";
import { type Column, table } from "./table.ts";

/** A section that says which activations polynomials stand for, where they were fitted, and how far they are off. */
export function fitTable(fits: readonly LayerFit[]): string {
  const number = (title: string, of: (fit: LayerFit) => number): Column<LayerFit> => ({
    title,
    align: "right",
    cell: (fit) => `${Number(of(fit).toPrecision(4))}`,
  });
  const columns: readonly Column<LayerFit>[] = [
    { title: "activation fits", align: "left", cell: (fit) => fit.layer, maxWidth: 24 },
    { title: "function", align: "left", cell: (fit) => fit.function, maxWidth: 16 },
    number("degree", (fit) => fit.degree),
    number("from", (fit) => fit.range[0]),
    number("to", (fit) => fit.range[1]),
    { title: "range by", align: "left", cell: (fit) => fit.origin },
    number("max error", (fit) => fit.maxError),
    number("rms error", (fit) => fit.rmsError),
  ];
  return table(columns, fits, 120);
}
