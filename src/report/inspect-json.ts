import { invariant } from "../base/diagnostic.ts";
import { planTime } from "../plan/end-to-end.ts";
import type { LayerCost, OpCounts, Plan, Port } from "../plan/plan.ts";
import { type CostTable, defaultCostTable } from "../scheme/cost-table.ts";
import { printLayout } from "../scheme/layout.ts";
import type { KeyChoiceRow } from "./pareto.ts";
import { type SkipRow, skipsJson } from "./skip-table.ts";
import { timeJson } from "./time-words.ts";

/**
 * What `inspect --json` prints. Scripts rely on these names: they are only ever added to.
 * `planBytes` is the size of the plan file; times are milliseconds, sizes bytes. `keyChoices` is there when it was asked for.
 * `costs` are the times of the machine that encrypts. `skips` says what joining each skip costs as it was written and as it is computed (measure-skips.ts).
 */
export function inspectJson(
  plan: Plan,
  planBytes: number,
  keyChoices?: readonly KeyChoiceRow[],
  skips: readonly SkipRow[] = [],
  costs: CostTable = defaultCostTable,
) {
  const { scheme, security, cost, precision } = plan;
  const primes = [...scheme.primes, scheme.specialPrime];
  return {
    format: "sealwright-inspect",
    version: 1,
    model: plan.model,
    planId: plan.id,
    compiler: plan.compiler,
    insecure: security.bits === 0,
    passes: [...plan.passes],
    settings: plan.settings,
    scheme: {
      name: "ckks",
      polyModulusDegree: scheme.degree,
      slots: scheme.degree / 2,
      primeBits: primes.map(bitLength),
      modulusBits: bitLength(primes.reduce((product, q) => product * q, 1n)),
      scaleBits: scheme.scaleBits,
      security: { bits: security.bits, table: shortTable(security.table), limit: security.limitBits },
    },
    totals: {
      ...countsOf(cost.totals),
      levels: cost.totals.levels,
      galoisKeys: cost.totals.galoisKeys,
      galoisKeyBytes: cost.totals.galoisKeyBytes,
      inputCiphertexts: cost.totals.inputCiphertexts,
      outputCiphertexts: cost.totals.outputCiphertexts,
      clientRounds: cost.totals.clientRounds,
      weightBytes: cost.totals.weightBytes,
      planBytes,
    },
    estimate: {
      ...cost.estimate,
      ...timeJson(planTime(plan, costs), plan.settings),
      costTable: cost.costTable,
    },
    costTable: cost.costTable,
    precision: { boundBits: finite(precision.boundBits), outputs: precision.outputs },
    galoisSteps: [...plan.galoisSteps],
    ...(keyChoices === undefined ? {} : { keyChoices }),
    inputs: plan.inputs.map(portJson),
    outputs: plan.outputs.map(portJson),
    stages: plan.stages.map((s) => ({ ...s })),
    fits: (plan.fits ?? []).map((fit) => ({ ...fit, range: [...fit.range] })),
    ...(plan.choices === undefined ? {} : { choices: plan.choices }),
    skips: skipsJson(skips),
    layers: cost.layers.map((layer) => ({
      name: layer.name,
      op: layer.op,
      line: layer.line,
      shape: [...layer.shape],
      layout: layer.layout,
      ...countsOf(layer),
      levelIn: layer.levelIn,
      levelOut: layer.levelOut,
      milliseconds: layer.milliseconds,
      boundBits: finite(layer.boundBits),
    })),
  };
}

function countsOf(counts: OpCounts): OpCounts {
  const { rotations, conjugations, plainMultiplications, monomialMultiplications, cipherMultiplications } = counts;
  const { relinearizations, rescales } = counts;
  return {
    rotations,
    conjugations,
    plainMultiplications,
    monomialMultiplications,
    cipherMultiplications,
    relinearizations,
    rescales,
  } satisfies { [K in keyof LayerCost & keyof OpCounts]: number };
}

function portJson(port: Port) {
  const { name, shape, range, level, of } = port;
  const again = of === undefined ? {} : { of };
  return { name, shape: [...shape], range: [...range], layout: printLayout(port.layout), level, ...again };
}

/** `2024 guidelines` is `2024` in JSON. */
function shortTable(table: string): string {
  return table.startsWith("2024") ? "2024" : table;
}

function bitLength(value: bigint): number {
  invariant(value > 0n, `a modulus of ${value}`);
  return value.toString(2).length;
}

/** JSON has no infinity; an exact result is as good as a double can tell. */
function finite(bits: number): number {
  return Number.isFinite(bits) ? bits : bits > 0 ? 1074 : 0;
}
