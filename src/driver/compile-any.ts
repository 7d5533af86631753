import { pipeline } from "../../passes/pipeline.ts";
import { type Diagnostic, Diagnostics, diagnose, SealwrightError } from "../base/diagnostic.ts";
import type { Rounds } from "../ir/cut-rounds.ts";
import type { Graph } from "../ir/graph.ts";
import type { Choices } from "../plan/choices.ts";
import type { Plan } from "../plan/plan.ts";
import { writePlan } from "../plan/plan-file.ts";
import type { RoundsPlan } from "../plan/rounds.ts";
import { writeRounds } from "../plan/rounds-file.ts";
import { hasAuto, weighActivations } from "./auto.ts";
import { blindable, blindSettings } from "./compile-blind.ts";
import { type Compiled, compileGraph } from "./compile-graph.ts";
import { compileRounds, compileServer } from "./compile-rounds.ts";
import { CompiledParts } from "./compiled-parts.ts";
import { hasClientLayers, type LargeBounds, type NetworkCutter, networkCutter } from "./cut-network.ts";
import { type PassObserver, runPasses } from "./pass-manager.ts";
import { networkToRun, type ReadModel } from "./read-model.ts";

/** A network with client steps, compiled: a plan for what the server does in each round. */
export interface CompiledRounds {
  readonly plan: RoundsPlan;
  /** The plan as a file. */
  readonly bytes: Uint8Array;
  readonly diagnostics: readonly Diagnostic[];
}

/** The rooms for values of different rounds would hardly ever be equal to the bit. */
const roomStep = 4;

/** Passes that ready a network for being cut into rounds. */
const preparingPasses = pipeline.slice(
  0,
  pipeline.findIndex((pass) => pass.name === "reject-unsupported"),
);

/** Whether a pass comes before a network is cut into rounds. */
export function isPreparing(name: string): boolean {
  return preparingPasses.some((pass) => pass.name === name);
}

/** Compiles a network that was read or built: to rounds where its settings leave layers to the client, else to one plan. */
export function compileAny(model: ReadModel, observe: PassObserver = {}): Compiled | CompiledRounds {
  const { graph: written, settings, diagnostics } = model;
  const nothingToBlind = () => {
    if (settings.blind) diagnostics.report("nothing-to-blind", "nowhere", { network: written.name });
  };
  if (!hasClientLayers(written, settings)) {
    nothingToBlind();
    return compileGraph(model, observe);
  }
  const { fitted, cutter } = readyToCut(model, observe);
  const servers = new CompiledParts<Plan>((part, said, watch) => {
    observe.doing?.("compiling a round");
    const own = partModel(model, part, fitted);
    return compileServer(
      part,
      (graph) => compileGraph({ ...own, graph, diagnostics: said }, watch).plan,
      (plan) => plan.outputs.map(({ layout }) => layout),
    );
  }, observe);
  if (!hasAuto(written, settings)) return compiledRounds(model, cutter, cutter.cut(fitted), servers);
  const wholes = new CompiledParts<Compiled>((_, said, watch) => {
    observe.doing?.("compiling without client steps");
    return compileGraph({ ...model, diagnostics: said }, watch);
  }, observe);
  const { cut, choices } = weighActivations({ model, fitted, cutter, servers, wholes, progress: observe.doing });
  if (cut.rounds !== undefined) return compiledRounds(model, cutter, cut.rounds, servers, choices);
  nothingToBlind();
  const whole = wholes.take(cut.parts[0]!, diagnostics);
  const { id: _, ...plan } = whole.plan;
  return { ...whole, ...writePlan({ ...plan, choices }), diagnostics: diagnostics.all };
}

/** A network with client steps as it is cut, and how. */
export function readyToCut(model: ReadModel, observe: PassObserver = {}) {
  const { graph, settings, diagnostics, passOptions: options = new Map() } = model;
  const fitted = runPasses(graph, preparingPasses, { settings, diagnostics, options }, observe);
  return { fitted, cutter: networkCutter(networkToRun({ ...model, diagnostics: new Diagnostics() }), settings) };
}

/** What a server computes in one round of a network, as a network of its own. */
export function partModel(model: ReadModel, graph: Graph, network: Graph): ReadModel {
  const { settings, passOptions: options = new Map() } = model;
  // Each value a client has goes into a round once.
  // Factors of blinded values would have to be the same for all that a kernel reads.
  const pack = { spectral: !settings.blind, ...options.get("pack"), again: false };
  const own = { ...blindSettings(settings, graph, network), roomStep };
  return { ...model, graph, settings: own, passOptions: new Map([...options, ["pack", pack]]) };
}

function compiledRounds(
  model: ReadModel,
  cutter: NetworkCutter,
  cut: Rounds,
  servers: CompiledParts<Plan>,
  choices?: Choices,
): CompiledRounds {
  const { diagnostics } = model;
  const parts = cut.rounds.flatMap(({ server }) => server ?? []);
  warnOfBounds(
    parts.flatMap((part) => cutter.largeBounds(part) ?? []),
    model,
  );
  const compile = (part: Graph) => namingBounds(cutter.largeBounds(part), () => servers.take(part, diagnostics));
  const clear = compileRounds(model, cut, compile);
  const rounds = model.settings.blind ? blindable(clear, cut, compile) : clear;
  const written = writeRounds(choices === undefined ? rounds : { ...rounds, choices });
  return { ...written, diagnostics: diagnostics.all };
}

function warnOfBounds(bounds: readonly LargeBounds[], { graph, diagnostics }: ReadModel): void {
  if (bounds.length === 0) return;
  const layers = [...new Set(bounds.flatMap((b) => b.layers))];
  const place = graph.nodes.find((node) => node.name === layers[0])?.span ?? "nowhere";
  diagnostics.report("client-range-by-intervals", place, {
    layers,
    largest: Math.max(...bounds.map((b) => b.largest)),
  });
}

/** Runs, and where that fails for errors too large, says first that ranges are bounds: whoever states them may need no other way. */
function namingBounds<T>(bounds: LargeBounds | undefined, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (bounds === undefined || !(error instanceof SealwrightError)) throw error;
    const { help } = diagnose("client-range-by-intervals", "nowhere", bounds);
    throw new SealwrightError(
      error.diagnostics.map((d) => (d.severity === "error" ? { ...d, help: `${help}; or ${d.help}` } : d)),
    );
  }
}
