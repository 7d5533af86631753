import { escapeHidden } from "../base/render.ts";
import type { Choices, LayerChoice } from "../plan/choices.ts";
import { counted, formatTime } from "./quantities.ts";
import { table } from "./table.ts";

/** A section that says who computes the activations left to `auto`, and what else was weighed. */
export function choiceTable({ layers, tried }: Choices): string {
  const open = layers.filter((layer) => layer.degree > 0).length;
  const ways = tried.map(({ polynomials, rounds, milliseconds }) => {
    const time = milliseconds === undefined ? "does not fit" : formatTime(milliseconds);
    return `  ${polynomials} of ${counted(open, "polynomial")}, ${counted(rounds, "round")}: ${time}`;
  });
  return [
    table<LayerChoice>(
      [
        { title: "left to auto", align: "left", cell: (c) => escapeHidden(c.layer), maxWidth: 24 },
        { title: "function", align: "left", cell: (c) => c.op, maxWidth: 16 },
        { title: "by", align: "left", cell: (c) => (c.by === "client" ? "client" : `degree ${c.degree}`) },
        { title: "why", align: "left", cell: reasonOf },
      ],
      layers,
      120,
    ),
    "Compared end to end:",
    ...ways,
    "",
  ].join("\n");
}

function reasonOf({ by, degree, why, otherwise }: LayerChoice): string {
  const other = by === "client" ? `degree ${degree}` : "the client";
  switch (why) {
    case "faster":
      return `with ${other} the whole takes about ${formatTime(otherwise ?? 0)}`;
    case "too-deep":
      return `with ${other} no ring holds the rounds`;
    case "no-polynomial":
      return "no polynomial stands for it";
    case "no-range":
      return "no range was observed or stated that a polynomial could be fitted to";
    case "no-close-fit":
      return "no polynomial is as close as activation.tolerance asks";
  }
}
