import { fail, SealwrightError } from "../base/diagnostic.ts";
import { parseJson, printJson } from "../base/json.ts";
import { JsonCursor } from "../base/json-cursor.ts";
import type { CostFactors } from "../scheme/cost-fit.ts";
import { type CostTable, costOps, scaledCostTable } from "../scheme/cost-table.ts";

/** What `sealwright calibrate` stores of a machine. */
export interface MeasuredCosts {
  /** Says what was measured; plans carry it. */
  readonly name: string;
  readonly factors: CostFactors;
}

/** A cost table has a number per operation; more is no cost table. */
export const maxCostFileBytes = 2 ** 16;
const maxNameLength = 200;
/** A machine a thousand times slower or faster than the default's was not measured but made up. */
const factorRange = [1e-3, 1e3] as const;

export function writeCostFile({ name, factors }: MeasuredCosts): string {
  return `${printJson({ format: "sealwright-costs", version: 1, name, factors })}\n`;
}

/** Reads a stored cost table. Throws a SealwrightError that says how to get rid of a damaged one. */
export function readCostFile(bytes: Uint8Array, path: string): CostTable {
  try {
    const { name, factors } = decode(bytes, path);
    return scaledCostTable(name, factors);
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    const { message, place } = error.first;
    const part = typeof place === "object" && "part" in place ? `${place.part}: ` : "";
    return fail("bad-cost-table", { path }, { path, reason: `${part}${message}` });
  }
}

function decode(bytes: Uint8Array, path: string): MeasuredCosts {
  const whole = new JsonCursor(parseJson(bytes, { path, limit: maxCostFileBytes }), path);
  const at = whole.object(["format", "version", "name", "factors"]);
  at.format.choice(["sealwright-costs"]);
  at.version.integer(1, 1);
  const name = at.name.text();
  if (name === "" || name.length > maxNameLength) at.name.wrong(`a text of 1 to ${maxNameLength} characters`);
  const factors = at.factors.object(costOps);
  const [least, most] = factorRange;
  const factorOf = (cursor: JsonCursor): number => {
    const factor = cursor.number();
    return factor >= least && factor <= most ? factor : cursor.wrong(`a number from ${least} to ${most}`);
  };
  return {
    name,
    factors: Object.fromEntries(costOps.map((op) => [op, factorOf(factors[op])])) as unknown as CostFactors,
  };
}
