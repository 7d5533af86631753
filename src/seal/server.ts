import { fail, invariant } from "../base/diagnostic.ts";
import type { NodeId, NodeOf } from "../ir/graph.ts";
import { execute } from "../plan/execute.ts";
import { type LayerConstants, layerConstants } from "../plan/layer.ts";
import type { Plan } from "../plan/plan.ts";
import { canonicalScales } from "../scheme/parameters.ts";
import { savedCiphertextBytes } from "../scheme/sizes.ts";
import { checkParts } from "./client.ts";
import { readContainer, type Turn, writeContainer } from "./container.ts";
import type { Context } from "./context.ts";
import { type EvaluationKeys, loadEvaluationKeys } from "./evaluation-keys.ts";
import { type CacheBudget, plaintextCache, type SealCipher, type SealEvaluator, sealEvaluator } from "./machine.ts";
import { partsOf, sectionOf } from "./ports.ts";

/** What the server needs of a plan. */
export type ServerPlan = Pick<Plan, "id" | "scheme" | "galoisSteps" | "inputs" | "outputs" | "program" | "blinded"> & {
  /** As for a client. */
  readonly keySet?: string;
  /** Which of its rotation steps are needed of its keys, where others share them; all unless said. */
  readonly uses?: readonly number[];
};

export interface ServerOptions {
  /** Encoded plaintexts to keep between evaluations. Default none. */
  readonly cache?: CacheBudget;
}

export interface RunHooks {
  progress?(done: number, total: number): void;
  layer?(name: string): void;
}

/** The side that computes on ciphertexts, for one client's keys and any number of its inputs. */
export interface Server {
  readonly keyId: string;
  evaluate(ciphertexts: Uint8Array, hooks?: RunHooks): Uint8Array;
  dispose(): void;
}

/** A client's keys and SEAL's memory to compute with them, for plans of equal parameters one after another. */
export interface Bench {
  readonly keys: EvaluationKeys;
  readonly machine: SealEvaluator;
  dispose(): void;
}

/** Makes a bench of keys in memory, which it then owns. */
export function openBench(context: Context, keys: EvaluationKeys, galoisSteps: readonly number[]): Bench {
  const machine = sealEvaluator(context, keys, galoisSteps);
  const dispose = () => {
    machine.dispose();
    keys.dispose();
  };
  return { keys, machine, dispose };
}

/** Opens the server side of a plan with a client's evaluation keys in a file, or on a bench that others use, too. */
export function openServer(
  context: Context,
  plan: ServerPlan,
  evaluationKeys: Uint8Array | Bench,
  { cache = { bytes: 0, heapBytes: 0 } }: ServerOptions = {},
): Server {
  const { program } = plan;
  const relinearizes = program.nodes.some((node) => node.op === "he_relinearize");
  const own =
    evaluationKeys instanceof Uint8Array
      ? openBench(context, loadEvaluationKeys(context, plan, evaluationKeys, relinearizes), plan.galoisSteps)
      : undefined;
  const { keys, machine } = own ?? (evaluationKeys as Bench);
  const plaintexts = plaintextCache(context, machine, cache);
  /** Where each layer's weights go, as long as an evaluation may have to encode them again. */
  const placed = new Map<NodeId, LayerConstants>();
  const constants = (node: NodeOf<"he_layer">): LayerConstants => {
    const known = placed.get(node.id) ?? layerConstants(program, node, plan.blinded?.get(node.id));
    placed.set(node.id, known);
    return known;
  };
  const encoded = program.nodes.filter((node) => node.op === "he_encode");

  /** The program's ciphertext inputs. Those made before one fails are given back. */
  const load = (sections: ReadonlyMap<string, Uint8Array>): Map<string, SealCipher> => {
    const inputs = new Map<string, SealCipher>();
    try {
      for (const node of program.nodes) {
        if (node.op !== "he_input") continue;
        const { input, part, level } = node.attrs;
        const bytes = sections.get(sectionOf(input, part));
        invariant(bytes !== undefined, `'${node.name}' is part ${part} of no input`);
        invariant(
          plan.inputs.find((port) => port.name === input)?.level === level,
          `'${node.name}' is not at its input's level`,
        );
        inputs.set(node.name, machine.load(bytes, level));
      }
      return inputs;
    } catch (error) {
      for (const cipher of inputs.values()) machine.free(cipher);
      throw error;
    }
  };

  const save = (results: ReadonlyMap<string, readonly SealCipher[]>, turn: Turn | undefined): Uint8Array => {
    const parts = partsOf(plan.outputs);
    const scales = canonicalScales(plan.scheme);
    const sections = parts.map(({ port, section }) => ({
      name: section,
      bytes: savedCiphertextBytes(plan.scheme.degree, port.level + 1),
    }));
    return writeContainer("result", { planId: plan.id, keyId: keys.keyId, turn }, sections, (i) => {
      const { port, part, section } = parts[i]!;
      const cipher = results.get(port.name)?.[part];
      invariant(cipher !== undefined, `the program does not compute '${section}'`);
      const { level, scale, size } = cipher;
      const declared = level === port.level && scale === scales[level] && size === 2;
      invariant(
        declared,
        `'${section}' is at level ${level}, scale ${scale}, size ${size}, the plan declares level ${port.level}`,
      );
      return machine.save(cipher);
    });
  };

  return {
    keyId: keys.keyId,
    evaluate(ciphertexts, hooks = {}) {
      const what = "the encrypted inputs";
      const expected = { what, kind: "ciphertexts", planId: plan.id } as const;
      const { keyId: found, turn, sections } = readContainer(ciphertexts, expected);
      if (found !== keys.keyId) fail("foreign-keys", "nowhere", { what, found, needed: keys.keyId });
      checkParts(context, plan.inputs, sections, what, true);
      const inputs = load(sections);
      const freed = new Set<SealCipher>(inputs.values());
      try {
        const results = execute(program, machine, inputs, constants, { hooks, plaintexts });
        if (encoded.every((node) => plaintexts.get(node.id) !== undefined)) placed.clear();
        for (const parts of results.values()) for (const part of parts) freed.add(part);
        return save(results, turn);
      } finally {
        if (context.seal.lost === undefined) for (const cipher of freed) machine.free(cipher);
      }
    },
    dispose() {
      plaintexts.clear();
      own?.dispose();
    },
  };
}
