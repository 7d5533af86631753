import { type Diagnostic, invariant } from "../base/diagnostic.ts";
import type { Machine, Tensors } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
import { isRoundsPlan, type RoundsPlan, runRounds, type Serve } from "../plan/rounds.ts";
import type { SealOptions } from "../seal/index.ts";
import { bitsOf, type Differences, noDifferences, withSample } from "./differences.ts";
import { attempt, isRefusal, refusals, type Skipped, skipped } from "./gate.ts";
import { openServers, openSession, type Servers } from "./run-plan.ts";

/** The plan on ciphertexts against the plan on numbers, for each value that is decrypted. */
export interface HeGate {
  readonly verdict: "met" | "missed";
  readonly samples: number;
  /** Samples that ended without a result: it could not be trusted, or led a client's step outside the ranges of the plan. */
  readonly failed: number;
  /** How the first of them ended. */
  readonly failure?: Diagnostic;
  readonly values: readonly DecryptedValue[];
}

export interface DecryptedValue {
  readonly name: string;
  /** From 1, in plans with client steps. */
  readonly round?: number;
  /** -log2 of the largest error that the plan predicts; what is measured must not be less. */
  readonly predictedBits: number;
  /** -log2 of the largest error of any element. */
  readonly bits: number;
  /** The same as a share of the largest value of its sample, or of 1 where that is smaller. */
  readonly relativeBits: number;
  /** -log2 of the mean error. */
  readonly meanBits: number;
}

export interface HeGateOptions {
  /** How many samples to encrypt. */
  readonly samples: number;
  readonly seal: SealOptions;
  /** Computes server plans on numbers. */
  readonly numbers: Machine;
}

/** Runs samples on SEAL, with one set of keys. What is revealed between rounds is compared round by round, on the same operands. */
export function heGate(plan: Plan | RoundsPlan, { samples: most, seal, numbers }: HeGateOptions) {
  const found = new Map<string, { readonly value: Predicted; differences: Differences }>();
  const failures: Diagnostic[] = [];
  let ran = 0;
  let opened: Promise<Servers> | undefined;

  const compare = async (server: Plan, inputs: Tensors, decrypted: Tensors, round: number | undefined) => {
    const wanted = await numbers.run(server, inputs);
    for (const value of predictedValues(plan, server, round)) {
      const { name } = value;
      const key = `${round} ${name}`;
      const before = found.get(key)?.differences ?? noDifferences;
      const only = (all: Tensors): Tensors => new Map([[name, all.get(name)!]]);
      found.set(key, { value, differences: withSample(before, only(decrypted), only(wanted)) });
    }
  };
  const watched =
    (serve: Serve): Serve =>
    async (server, inputs, round) => {
      const decrypted = await serve(server, inputs, round);
      await compare(server, inputs, decrypted, isRoundsPlan(plan) ? round + 1 : undefined);
      return decrypted;
    };

  return {
    wantsMore: () => ran < most,
    /** The outputs as they are decrypted, or how the run ended without. Throws a SealwrightError when SEAL itself fails. */
    async run(inputs: Tensors): Promise<Tensors | "failed"> {
      ran++;
      opened ??= isRoundsPlan(plan) ? openServers(plan, seal) : oneServer(plan, seal);
      const serve = watched((await opened).serve);
      const found = await attempt(
        () => (isRoundsPlan(plan) ? runRounds(plan, inputs, serve) : serve(plan, inputs, 0)),
        [...refusals, "result-not-trustworthy"],
      );
      if (!isRefusal(found)) return found;
      failures.push(found);
      return "failed";
    },
    async close(): Promise<void> {
      await opened?.then(({ close }) => close());
    },
    result(whyNone: string): HeGate | Skipped {
      if (ran === 0) return skipped(whyNone);
      if (found.size === 0 && failures.length === 0) return skipped("the plan encrypts nothing");
      const values = [...found.values()].map(({ value, differences }): DecryptedValue => {
        const { largest, relative, sum, elements } = differences;
        return { ...value, bits: bitsOf(largest), relativeBits: bitsOf(relative), meanBits: bitsOf(sum / elements) };
      });
      const isMet = failures.length === 0 && values.every(({ bits, predictedBits }) => bits >= predictedBits);
      const [failure] = failures;
      return {
        verdict: isMet ? "met" : "missed",
        samples: ran,
        failed: failures.length,
        ...(failure === undefined ? {} : { failure }),
        values,
      };
    },
  };
}

type Predicted = Pick<DecryptedValue, "name" | "round" | "predictedBits">;

/** What a server plan reveals. Values that are blinded are up to `2^blindBits` times larger, and so are their errors. */
function predictedValues(whole: Plan | RoundsPlan, server: Plan, round: number | undefined): Predicted[] {
  const blind = isRoundsPlan(whole) ? (whole.blindBits ?? 0) : 0;
  const results = new Set(isRoundsPlan(whole) ? whole.outputs.map(({ value }) => value) : []);
  return server.outputs.map(({ name }) => {
    const bits = server.precision.outputs[name];
    invariant(bits !== undefined, `no error is predicted of '${name}'`);
    const predictedBits = results.has(name) ? bits : bits - blind;
    return { name, ...(round === undefined ? {} : { round }), predictedBits };
  });
}

async function oneServer(plan: Plan, options: SealOptions): Promise<Servers> {
  const session = await openSession(plan, options);
  return { serve: (_, inputs) => session.run(inputs), close: () => session.close() };
}
