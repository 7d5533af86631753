import { compileGraph } from "../src/driver/compile-graph.ts";
import { noDifferences, withSample } from "../src/driver/differences.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { openSession } from "../src/seal/index.ts";
import { type PruneCase, type PrunePoint, samplesOf } from "./prune-methods.ts";

/** A network with its costs. */
export interface Contender {
  readonly point: PrunePoint;
  readonly graph: Graph;
}

/** A network on SEAL. */
export interface EncryptedPoint {
  readonly point: PrunePoint;
  readonly predictedMs: number;
  /** Encrypt, evaluate and decrypt with the weights encoded; the best of several. */
  readonly measuredMs: number;
  /** The largest difference of an output from the network in the clear. */
  readonly error: number;
  /** What the plan allows that to be. */
  readonly bound: number;
}

const runs = 5;

/** Runs networks on the first images they are judged by; in turns, so that a slow moment of the machine meets all alike. */
export async function runEncrypted(of: PruneCase, networks: readonly Contender[]): Promise<EncryptedPoint[]> {
  const contenders = await Promise.all(
    networks.map(async ({ point, graph }) => {
      const { plan } = compileGraph({ ...of.model, graph });
      return {
        point,
        graph,
        plan,
        session: await openSession(plan),
        times: [] as number[],
        differences: noDifferences,
      };
    }),
  );
  try {
    for (const [round, { inputs }] of samplesOf(of.model.graph, of.heldOut, 1 + runs).entries()) {
      for (const contender of contenders) {
        const began = performance.now();
        const found = await contender.session.run(inputs);
        // The first time weights are encoded.
        if (round > 0) contender.times.push(performance.now() - began);
        contender.differences = withSample(contender.differences, found, evaluate(contender.graph, inputs));
      }
    }
    return contenders.map(({ point, plan, times, differences }) => ({
      point,
      predictedMs: plan.cost.estimate.milliseconds,
      measuredMs: Math.min(...times),
      error: differences.largest,
      bound: 2 ** -plan.precision.boundBits,
    }));
  } finally {
    for (const { session } of contenders) await session.close();
  }
}
