import { pipeline } from "../../passes/pipeline.ts";
import { defaultSettings, type Settings } from "../../passes/settings.ts";
import { invariant } from "../base/diagnostic.ts";
import { type Graph, nodeAt } from "../ir/graph.ts";
import { sendingOf } from "../ir/sendings.ts";
import type { AttrRecord, AttrValue } from "../ops/attributes.ts";
import type { LeveledType } from "../ops/value-type.ts";
import { galoisSteps, measureCost } from "../plan/cost.ts";
import { plaintextBudget } from "../plan/plaintext-budget.ts";
import type { Plan, Port } from "../plan/plan.ts";
import { boundBits } from "../plan/predict-error.ts";
import { securityClaim } from "../scheme/security.ts";
import type { Ring } from "./choose-ring.ts";
import { compilerVersion } from "./version.ts";

/** Everything a plan says but its id, from what compilation made. */
export function describePlan(source: Graph, settings: Settings, ring: Ring): Omit<Plan, "id"> {
  const { leveled, program, prediction } = ring;
  const { scheme } = program;
  invariant(scheme !== undefined, "a compiled program has a scheme");
  return {
    model: source.name,
    compiler: compilerVersion,
    passes: pipeline.map((pass) => pass.name),
    settings: printSettings(settings, scheme.degree),
    scheme,
    security: securityClaim(scheme),
    galoisSteps: galoisSteps(program),
    inputs: leveled.nodes.flatMap((node): Port[] => {
      if (node.op !== "input") return [];
      const { shape, layout, level } = node.type as LeveledType;
      const of = sendingOf(node);
      const port = {
        name: node.name,
        shape,
        range: [node.attrs.range[0]!, node.attrs.range[1]!],
        layout,
        level,
      } as const;
      return [of === undefined ? port : { ...port, of }];
    }),
    outputs: leveled.outputs.map(({ name, node }): Port => {
      const { shape, layout, level } = nodeAt(leveled, node).type as LeveledType;
      const largest = prediction.outputs.get(name)!.largest;
      return { name, shape, range: [-largest, largest], layout, level };
    }),
    stages: [{ side: "server", does: "evaluate" }],
    program,
    source,
    cost: measureCost({
      leveled,
      program,
      table: settings.costTable,
      bounds: prediction.layers,
      plaintextBudget: plaintextBudget(program, settings.maxMemory),
    }),
    precision: {
      boundBits: ring.precisionBits,
      outputs: Object.fromEntries([...prediction.outputs].map(([name, { bound }]) => [name, boundBits(bound)])),
    },
  };
}

/** The settings that decided, as a model's target could say them. */
function printSettings(settings: Settings, degree: number): AttrRecord {
  const { security, precision, maxKeys, maxMemory, bandwidth, latency, skips, blind, insecure, pruneKind, pruneKeep } =
    settings;
  const record: Record<string, AttrValue> = { security, precision, degree };
  if (maxKeys !== undefined) record.max_keys = maxKeys;
  if (maxMemory !== undefined) record.max_memory = maxMemory / 2 ** 20;
  if (bandwidth !== defaultSettings.bandwidth) record["network.mbps"] = bandwidth;
  if (latency !== defaultSettings.latency) record["network.ms"] = latency;
  if (skips !== defaultSettings.skips) record.skips = skips;
  if (pruneKeep < 1) {
    record["prune.kind"] = pruneKind;
    record["prune.keep"] = pruneKeep;
  }
  if (blind) record.blind = true;
  if (settings.circulantBlock !== 1) record["circulant.block"] = settings.circulantBlock;
  if (insecure) record.insecure = true;
  return record;
}
