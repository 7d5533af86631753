import { readExample, resnetAsOneProgram } from "../examples/models.ts";
import { compileTo } from "../src/driver/compile.ts";
import { countOperations } from "../src/driver/count-operations.ts";
import type { Cost } from "../src/plan/plan.ts";
import { type BenchNetwork, type Variant, variants } from "./networks.ts";

/** One network in one ring. */
export interface CountRow {
  readonly network: BenchNetwork;
  readonly slots: number;
  /** By the name of the variant. */
  readonly counts: ReadonlyMap<string, Count>;
}

export interface Count extends Cost {
  /** Whether a chain of primes within the security tables is long enough. */
  readonly secure: boolean;
  readonly compileMs: number;
}

/** Counts a network in rings of so many slots, by every variant. No times are measured but the compiler's own. */
export function* countNetwork(network: BenchNetwork, slots: readonly number[]): Generator<CountRow> {
  const example = readExample(network.name);
  for (const n of slots) {
    const counts = new Map(variants.map((variant) => [variant.name, count(example, n, variant)]));
    yield { network, slots: n, counts };
  }
}

function count({ file, host }: ReturnType<typeof readExample>, slots: number, { passOptions }: Variant): Count {
  const began = performance.now();
  const own = file.path.includes("resnet20") ? resnetAsOneProgram : [];
  const overrides = new Map([...own, ["degree", 2 * slots]]);
  const { graph, settings } = compileTo(file, host, "pack", { overrides, passOptions });
  const counted = countOperations(graph, settings)!;
  return { ...counted.cost, secure: counted.scheme.security > 0, compileMs: performance.now() - began };
}
