import { escapeHidden } from "../base/render.ts";
import { planTime } from "../plan/end-to-end.ts";
import type { ClientView, LayerCost, Plan, Port } from "../plan/plan.ts";
import { type CostTable, defaultCostTable } from "../scheme/cost-table.ts";
import { choiceTable } from "./choice-table.ts";
import { fitTable } from "./fit-table.ts";
import { occupiedSlots, shortLayout } from "./layout-words.ts";
import { type KeyChoiceRow, keyChoiceTable } from "./pareto.ts";
import { counted, errorOfBits, formatBytes, formatShape, formatShare, formatTime } from "./quantities.ts";
import { type SkipRow, skipTable } from "./skip-table.ts";
import { type Column, table } from "./table.ts";
import { timeWords } from "./time-words.ts";

/** A plan is read in terminals and pasted into reports. */
const lineWidth = 120;

/**
 * What a person wants to know about a plan, within 120 columns. `planBytes` is the size of its file; `keyChoices` and
 * `skips` add sections; `costs` are the times of the machine that encrypts.
 */
export function inspectTable(
  plan: Plan,
  planBytes: number,
  keyChoices?: readonly KeyChoiceRow[],
  skips: readonly SkipRow[] = [],
  costs: CostTable = defaultCostTable,
): string {
  return [
    insecureBanner(plan),
    heading(plan),
    schemeLines(plan),
    interfaceLines(plan),
    totalLines(plan, planBytes, costs),
    "",
    layerTable(plan),
    plan.fits && fitTable(plan.fits),
    plan.choices && choiceTable(plan.choices),
    skipTable(skips),
    keyChoices && keyChoiceTable(keyChoices),
  ]
    .filter((part) => part !== undefined)
    .join("\n");
}

/** Says loudly that a plan protects nothing; undefined for a secure one. */
export function insecureBanner(plan: Pick<ClientView, "security" | "scheme">): string | undefined {
  if (plan.security.bits > 0) return undefined;
  const { modulusBits, limitBits, table: name } = plan.security;
  const line = "=".repeat(72);
  return `${line}\nINSECURE: this plan does not protect the data it computes on.\n${modulusBits.toFixed(0)} bits of modulus, ${name} allows ${limitBits} for degree ${plan.scheme.degree}. For experiments only.\n${line}`;
}

function heading(plan: Plan): string {
  return `${escapeHidden(plan.model)}  plan ${plan.id.slice(0, 16)}  made by sealwright ${escapeHidden(plan.compiler)}`;
}

function schemeLines(plan: Plan): string {
  const { scheme, security } = plan;
  const primeBits = [...scheme.primes, scheme.specialPrime].map((q) => q.toString(2).length);
  const margin = security.limitBits - security.modulusBits;
  const claim =
    security.bits === 0
      ? `INSECURE (${security.table} allows ${security.limitBits} bits)`
      : `${security.bits} bits by ${security.table}: ${security.limitBits} allowed, ${margin.toFixed(1)} to spare`;
  return [
    line("scheme", `CKKS, degree ${scheme.degree} (${scheme.degree / 2} slots), scale 2^${scheme.scaleBits}`),
    line(
      "primes",
      `${runs(primeBits)} bits, the last for key switching; ${security.modulusBits.toFixed(1)} bits in all`,
    ),
    line("security", claim),
  ].join("\n");
}

function interfaceLines(plan: Plan): string {
  const port = (p: Port, what: string) => {
    const { layout } = p;
    const used = formatShare(occupiedSlots(layout), layout.slots * layout.ciphertexts);
    return `${escapeHidden(p.name)} ${formatShape(p.shape)} ${what}, ${counted(layout.ciphertexts, "ciphertext")} at level ${p.level}, ${used} of the slots used`;
  };
  return [
    ...plan.inputs.map((p) =>
      line(
        "input",
        port(p, p.of === undefined ? `in ${p.range[0]} .. ${p.range[1]}` : `is ${escapeHidden(p.of)} sent again`),
      ),
    ),
    ...plan.outputs.map((p) =>
      line("output", port(p, `error below ${errorOfBits(plan.precision.outputs[p.name] ?? plan.precision.boundBits)}`)),
    ),
    ...(plan.stages.length > 1
      ? plan.stages.map((s, i) => line(i === 0 ? "stages" : "", `${s.side}: ${escapeHidden(s.does)}`))
      : []),
  ].join("\n");
}

function totalLines(plan: Plan, planBytes: number, costs: CostTable): string {
  const { totals: t, estimate: e, costTable } = plan.cost;
  return [
    line(
      "operations",
      `${counted(t.rotations, "rotation")}, ${counted(t.plainMultiplications, "plaintext product")}, ` +
        `${counted(t.cipherMultiplications, "ciphertext product")}, ${counted(t.relinearizations, "relinearization")}, ${counted(t.rescales, "rescale")}`,
    ),
    line("levels", `${t.levels} used, ${plan.scheme.primes.length - 1} in the chain`),
    line("keys", `${counted(t.galoisKeys, "Galois key")}, ${formatBytes(t.galoisKeyBytes)}`),
    line("files", `plan ${formatBytes(planBytes)}, of that weights ${formatBytes(t.weightBytes)}`),
    line(
      "time",
      `${formatTime(e.milliseconds)} to evaluate, ${formatTime(e.keygenMilliseconds)} for keys (estimated from the table '${escapeHidden(costTable)}')`,
    ),
    line("", timeWords(planTime(plan, costs), plan.settings)),
    line("memory", `${formatBytes(e.peakBytes)} at most on the server`),
    line(
      "precision",
      `${plan.precision.boundBits.toFixed(1)} bits at least: no output is off by more than ${errorOfBits(plan.precision.boundBits)}`,
    ),
  ].join("\n");
}

function layerTable(plan: Plan): string {
  const { layers, estimate } = plan.cost;
  const number = (title: string, of: (layer: LayerCost) => string | number): Column<LayerCost> => ({
    title,
    align: "right",
    cell: (layer) => `${of(layer)}`,
  });
  return table<LayerCost>(
    [
      { title: "layer", align: "left", cell: (l) => l.name, maxWidth: 18 },
      { title: "op", align: "left", cell: (l) => l.op, maxWidth: 12 },
      { title: "shape", align: "left", cell: (l) => formatShape(l.shape), maxWidth: 14 },
      number("rot", (l) => l.rotations),
      number("pt mul", (l) => l.plainMultiplications),
      number("ct mul", (l) => l.cipherMultiplications),
      number("level", (l) => (l.levelIn === l.levelOut ? l.levelIn : `${l.levelIn} > ${l.levelOut}`)),
      number("time", (l) => formatTime(l.milliseconds)),
      number("share", (l) => formatShare(l.milliseconds, estimate.milliseconds)),
      number("bits", (l) => (Number.isFinite(l.boundBits) ? l.boundBits.toFixed(1) : "exact")),
      { title: "layout", align: "left", cell: (l) => shortLayout(l.layout) },
    ],
    layers,
    lineWidth,
  );
}

/** `60, 3 x 40, 60` for repeated numbers. */
function runs(list: readonly number[]): string {
  const parts: { value: number; count: number }[] = [];
  for (const value of list) {
    const last = parts.at(-1);
    if (last?.value === value) last.count++;
    else parts.push({ value, count: 1 });
  }
  return parts.map(({ value, count }) => (count === 1 ? `${value}` : `${count} x ${value}`)).join(", ");
}

function line(label: string, text: string): string {
  return `${label.padEnd(11)}${text}`;
}
