import { ownOptions } from "../base/own-options.ts";
import type { Graph } from "../ir/graph.ts";
import { shapeOf } from "../ops/value-type.ts";
import { checkInputs, inputPorts } from "../plan/inputs.ts";
import type { Machine, Tensors } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
import { isRoundsPlan, type RoundsPlan, runRounds } from "../plan/rounds.ts";
import { makeSimMachine } from "../plan/sim-machine.ts";
import type { SealOptions } from "../seal/index.ts";
import { type CompileGate, compileGate } from "./compile-gate.ts";
import { attempt, isRefusal, refusals, type Skipped } from "./gate.ts";
import { type HeGate, heGate } from "./he-gate.ts";
import { type ImportGate, importGate } from "./import-gate.ts";
import { clearEvaluator } from "./outside-fits.ts";
import { type SampleCounts, sampleCounts } from "./sample-counts.ts";
import type { Sample } from "./samples.ts";
import { classOutput, type TaskGate, taskGate } from "./task-gate.ts";

/** A sample and what is known of its answer. */
export interface GateSample extends Sample {
  /** Index of its class. */
  readonly label?: number | undefined;
  /** What the maker's runtime answers, by output. */
  readonly expected?: Tensors | undefined;
}

export interface GateOptions {
  /** How many samples to run on SEAL, 3 unless said otherwise; 0 leaves encryption out. */
  readonly encrypted?: number;
  /** Moves values outside the declared ranges of inputs to their ends instead of leaving such samples out. */
  readonly clamp?: boolean;
  /** Percent of samples whose class may be lost, 1 unless said otherwise. */
  readonly maxLoss?: number;
  readonly seal?: SealOptions;
  /** The network with polynomials in place of activations, where that is known. */
  readonly fitted?: Graph | undefined;
}

export const gateDefaults = { encrypted: 3, maxLoss: 1 } as const;

/** How a plan fares on data. */
export interface GatesReport {
  readonly samples: SampleCounts;
  readonly gates: {
    readonly import: ImportGate | Skipped;
    readonly compile: CompileGate | Skipped;
    readonly he: HeGate | Skipped;
    readonly task: TaskGate | Skipped;
  };
}

/**
 * Runs samples through four gates: the network against what its maker's runtime answers, the plan on numbers against the
 * network, the plan on ciphertexts against that, and the classes of all. Each says what it measured and what it must be. Throws
 * a SealwrightError where no sample can be answered, or SEAL fails.
 */
export async function measureGates(
  plan: Plan | RoundsPlan,
  samples: Iterable<GateSample>,
  options: GateOptions = {},
): Promise<GatesReport> {
  const {
    encrypted: most = gateDefaults.encrypted,
    clamp = false,
    maxLoss = gateDefaults.maxLoss,
    seal = {},
    fitted,
  } = ownOptions(options);
  const ports = inputPorts(plan.source);
  const output = classOutput(outputPorts(plan.source));
  const inClear = clearEvaluator(plan);
  const numbers = makeSimMachine({ keepWeights: true });
  const counts = sampleCounts();
  const imported = importGate();
  const compiled = compileGate(plan, fitted);
  const he = heGate(plan, { samples: most, seal, numbers });
  const task = taskGate(output, maxLoss, heErrorOf(plan, output));
  try {
    for (const { inputs: given, place, label, expected } of samples) {
      counts.read();
      const inputs = await attempt(() => checkInputs(ports, given, { clamp }), refusals);
      if (isRefusal(inputs)) {
        counts.refused(inputs, place);
        continue;
      }
      const clear = inClear(inputs);
      counts.outside(clear.outside);
      imported.add(clear.outputs, expected);
      const onNumbers = await attempt(() => runOnNumbers(plan, inputs, numbers), [...refusals, "value-overflow"]);
      if (isRefusal(onNumbers) && onNumbers.code !== "value-overflow") {
        counts.refused(onNumbers, place);
        continue;
      }
      const answer = isRefusal(onNumbers) ? undefined : onNumbers;
      compiled.add(inputs, clear, answer);
      counts.answered();
      const isOutside = clear.outside.length > 0;
      // Errors are predicted for values that polynomials were made for.
      const isEncrypted = he.wantsMore() && answer !== undefined && !isOutside;
      const encrypted = isEncrypted ? await he.run(inputs) : undefined;
      task.add({ network: clear.outputs, plan: answer, encrypted, isOutside, label });
    }
  } finally {
    await he.close();
  }
  return {
    samples: counts.result(),
    gates: {
      import: imported.result(),
      compile: compiled.result(),
      he: he.result(
        most === 0 ? "nothing was encrypted (--machine sim)" : "no sample stays inside what the plan was made for",
      ),
      task: task.result(),
    },
  };
}

function runOnNumbers(plan: Plan | RoundsPlan, inputs: Tensors, numbers: Machine): Promise<Tensors> {
  if (!isRoundsPlan(plan)) return numbers.run(plan, inputs);
  // Blinding is drawn anew for each run; the gate of encryption has it.
  const { blindBits: _, ...bare } = plan;
  return runRounds(bare, inputs, (server, sent) => numbers.run(server, sent));
}

/** The largest error that encryption is predicted to make of an output; of plans with client steps only rounds have one. */
function heErrorOf(plan: Plan | RoundsPlan, output: string | undefined): number | undefined {
  const bits = output === undefined || isRoundsPlan(plan) ? undefined : plan.precision.outputs[output];
  return bits === undefined ? undefined : 2 ** -bits;
}

export function outputPorts({ nodes, outputs }: Graph) {
  return outputs.map(({ name, node }) => ({ name, shape: shapeOf(nodes[node]!.type)! }));
}
