import { escapeHidden } from "../base/render.ts";

/** One column: its heading, and how one row shows in it. Numbers go right, text left. */
export interface Column<Row> {
  readonly title: string;
  readonly align: "left" | "right";
  readonly cell: (row: Row) => string;
  /** Longer cells are cut with an ellipsis. */
  readonly maxWidth?: number;
}

/**
 * Aligned columns two spaces apart, headings first, no trailing spaces. Cells print control characters escaped.
 * With `lineWidth`, the last column gives way so that lines fit.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], lineWidth?: number): string {
  const cells = [
    columns.map((c) => c.title),
    ...rows.map((row) => columns.map((c) => shortened(c.cell(row), c.maxWidth))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => width(row[i]!))));
  if (lineWidth !== undefined) {
    const others = widths.slice(0, -1).reduce((sum, w) => sum + w + gap, 0);
    const room = Math.max(lineWidth - others, 8);
    for (const row of cells) row.push(shortened(row.pop()!, room));
    widths[widths.length - 1] = Math.min(widths.at(-1)!, room);
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        const space = " ".repeat(widths[i]! - width(cell));
        return columns[i]!.align === "left" ? cell + space : space + cell;
      })
      .join(" ".repeat(gap))
      .trimEnd();
  return `${cells.map(line).join("\n")}\n`;
}

/** Spaces between columns. */
const gap = 2;

function shortened(text: string, maxWidth = 60): string {
  const shown = [...escapeHidden(text)];
  return shown.length <= maxWidth ? shown.join("") : `${shown.slice(0, maxWidth - 1).join("")}…`;
}

function width(text: string): number {
  return [...text].length;
}
