import { knownRange } from "../../passes/activation-range.ts";
import { targetOf } from "../../passes/fit/activation-target.ts";
import type { Settings } from "../../passes/settings.ts";
import { Diagnostics, SealwrightError } from "../base/diagnostic.ts";
import { fitAt, operandOfFit } from "../ir/fits.ts";
import { type Graph, type Node, nodeAt } from "../ir/graph.ts";
import { type Draft, rewrite } from "../ir/rewrite.ts";
import type { Choices, LayerChoice } from "../plan/choices.ts";
import { type EndToEnd, exchangeOf, exchangeTime } from "../plan/end-to-end.ts";
import type { Plan } from "../plan/plan.ts";
import { type ChosenMix, chooseMix } from "./choose-activations.ts";
import { type Compiled, networkAfterPasses } from "./compile-graph.ts";
import type { CompiledParts } from "./compiled-parts.ts";
import { chosenFor, hasClientLayers, type NetworkCutter } from "./cut-network.ts";
import type { Cut, Mix } from "./mix-times.ts";
import type { ReadModel } from "./read-model.ts";
import { roughRound } from "./rough-round.ts";

/** A network whose settings leave it open who computes some activations. */
export interface OpenModel {
  readonly model: ReadModel;
  /** With polynomials for all activations that can have one. */
  readonly fitted: Graph;
  readonly cutter: NetworkCutter;
  /** Server parts of rounds. */
  readonly servers: CompiledParts<Plan>;
  /** The network without client steps. */
  readonly wholes: CompiledParts<Compiled>;
  readonly progress?: ((text: string) => void) | undefined;
}

/** Whether settings leave it open who computes some activation. */
export function hasAuto(graph: Graph, settings: Settings): boolean {
  return graph.nodes.some((node) => chosenFor(node, settings) === "auto");
}

/** Decides who computes each activation that was left open, by the predicted time from end to end, and says why. */
export function weighActivations(open: OpenModel): { readonly cut: Cut; readonly choices: Choices } {
  const { model, fitted, cutter, servers, wholes, progress } = open;
  const { graph: written, settings } = model;
  const layers = written.nodes.filter((node) => chosenFor(node, settings) === "auto");
  const degrees = new Map(fitted.nodes.flatMap((node) => fitAt(node) ?? []).map((fit) => [fit.layer, fit.degree]));
  const candidates = layers.map((node) => node.name).filter((name) => degrees.has(name));
  const timeOf = (plan: Plan) => exchangeTime(exchangeOf(plan), settings, settings.costTable);
  const chosen = chooseMix({
    candidates,
    cut: (mix) => cutOf(mixed(fitted, written, candidates, mix), settings, cutter),
    rough: (part) => roughTime({ ...model, graph: part }),
    compiled(part, { rounds }) {
      const plan = rounds === undefined ? wholes.attempt(part)?.plan : servers.attempt(part);
      return plan && timeOf(plan);
    },
    progress,
  });
  return {
    cut: chosen.cut,
    choices: {
      layers: layers.map((node) => layerChoice(node, model, degrees.get(node.name), chosen)),
      tried: chosen.tried,
    },
  };
}

function cutOf(graph: Graph, settings: Settings, cutter: NetworkCutter): Cut {
  if (!hasClientLayers(graph, settings)) return { rounds: undefined, parts: [graph] };
  const rounds = cutter.cut(graph);
  return { rounds, parts: rounds.rounds.flatMap(({ server }) => server ?? []) };
}

/** The fitted network with activations as they were written where a mix has no polynomials. */
function mixed(fitted: Graph, written: Graph, candidates: readonly string[], mix: Mix): Graph {
  const back = new Set(candidates.filter((name) => !mix.has(name)));
  const originals = new Map(written.nodes.flatMap((node) => (back.has(node.name) ? [[node.name, node]] : [])));
  return rewrite(fitted, (node, out, _, mapped) => {
    const original = originals.get(node.name);
    if (original === undefined || fitAt(node) === undefined) return undefined;
    const constants = original.inputs.slice(1).map((id) => {
      const { type: _, ...constant } = nodeAt(written, id);
      return out.add({ ...constant, inputs: [] } as unknown as Draft);
    });
    const { type: __, ...draft } = original;
    return out.add({ ...draft, inputs: [mapped(operandOfFit(fitted, node)), ...constants] } as unknown as Draft);
  });
}

/** Undefined where passes refuse the part or no ring holds it. */
function roughTime(part: ReadModel): EndToEnd | undefined {
  const { settings } = part;
  try {
    const exchange = roughRound(networkAfterPasses({ ...part, diagnostics: new Diagnostics() }), settings);
    return exchange && exchangeTime(exchange, settings, settings.costTable);
  } catch (error) {
    if (error instanceof SealwrightError) return undefined;
    throw error;
  }
}

function layerChoice(
  node: Node,
  { graph, settings }: ReadModel,
  degree: number | undefined,
  { mix, otherwise }: ChosenMix,
): LayerChoice {
  const { name: layer, op } = node;
  if (degree === undefined) {
    const isKnown = knownRange(graph, node, settings.ranges) !== undefined;
    const why = targetOf(graph, node) === undefined ? "no-polynomial" : isKnown ? "no-close-fit" : "no-range";
    return { layer, op, by: "client", degree: 0, why };
  }
  const other = otherwise(layer);
  const fits = Number.isFinite(other);
  return {
    layer,
    op,
    by: mix.has(layer) ? "polynomial" : "client",
    degree,
    why: fits ? "faster" : "too-deep",
    ...(fits ? { otherwise: Math.round(other) } : {}),
  };
}
