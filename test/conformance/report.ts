import { type Column, table } from "../../src/report/table.ts";
import type { Checked, Outcome } from "./check.ts";

/** How many of an operator's models were right, refused and wrong. */
interface Row {
  readonly operator: string;
  readonly models: number;
  readonly passed: number;
  readonly refused: number;
  readonly failed: number;
  readonly compiled: number;
  readonly notCompiled: number;
}

const count = (title: string, of: (row: Row) => number): Column<Row> => ({
  title,
  align: "right",
  cell: (row) => `${of(row)}`,
});

const columns: readonly Column<Row>[] = [
  { title: "operator", align: "left", cell: (row) => row.operator },
  count("models", (row) => row.models),
  count("passed", (row) => row.passed),
  count("refused", (row) => row.refused),
  count("failed", (row) => row.failed),
  count("plans passed", (row) => row.compiled),
  count("plans refused", (row) => row.notCompiled),
];

export function reportTable(checked: readonly Checked[]): string {
  const operators = [...new Set(checked.flatMap((c) => c.operators))].sort();
  const rows = operators.map((operator): Row => {
    const models = checked.filter((c) => c.operators.includes(operator));
    const having = (of: (c: Checked) => Outcome | undefined, is: Outcome["is"]) =>
      models.filter((c) => of(c)?.is === is).length;
    return {
      operator,
      models: models.length,
      passed: having((c) => c.float, "passed"),
      refused: having((c) => c.float, "refused"),
      failed: models.filter(isWrong).length,
      compiled: having((c) => c.plan, "passed"),
      notCompiled: having((c) => c.plan, "refused"),
    };
  });
  return table(columns, rows);
}

/** One line per model that is not right everywhere. */
export function reportLines(checked: readonly Checked[]): string[] {
  return checked.flatMap((c) => {
    const parts = (["float", "folded", "plan"] as const).flatMap((gate) => {
      const outcome = c[gate];
      return outcome === undefined || outcome.is === "passed" ? [] : [`${gate} ${outcome.is}: ${outcome.why}`];
    });
    return parts.length === 0 ? [] : [`${c.name} (${c.operators.join(", ")})\n  ${parts.join("\n  ")}`];
  });
}

export function isWrong({ float, folded, plan }: Checked): boolean {
  return [float, folded, plan].some((outcome) => outcome?.is === "failed");
}
