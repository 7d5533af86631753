import type { Settings } from "../../passes/settings.ts";
import { type ActivationChoice, choiceAt } from "../ir/activation-choice.ts";
import { clientKnown, cutRounds, isClientLayer, type Rounds } from "../ir/cut-rounds.ts";
import { inputsOf } from "../ir/evaluate.ts";
import type { Graph, Node } from "../ir/graph.ts";
import { readPixels } from "../ir/read-pixels.ts";
import { clientRanges } from "./client-ranges.ts";

/** Whether settings leave a layer of the network to the client, or may. */
export function hasClientLayers(graph: Graph, settings: Settings): boolean {
  return graph.nodes.some((node) => isLeftToClient(node, settings));
}

/** Whether they do so without a choice: what is left to `auto` may become a polynomial. */
export function needsClient(graph: Graph, settings: Settings): boolean {
  return graph.nodes.some((node) => chosenFor(node, settings) === "client");
}

/** What settings say of a layer that a client can compute. */
export function chosenFor(node: Node, { activations }: Settings): ActivationChoice["kind"] | undefined {
  return isClientLayer(node) ? choiceAt(node, activations)?.kind : undefined;
}

/** Behind `fit-activations`, where `auto` stands at what only the client can compute, or was chosen to. */
function isLeftToClient(node: Node, settings: Settings): boolean {
  const kind = chosenFor(node, settings);
  return kind === "client" || kind === "auto";
}

/** Values seen on data may be this share of their spread larger on other data. */
const margin = 1;

/** Bounds beyond this cost so many bits of precision that users should hear of it. */
const largeBound = 2 ** 10;

/** Bounds among the ranges of what a server part is sent. */
export interface LargeBounds {
  readonly layers: readonly string[];
  /** The largest absolute value. */
  readonly largest: number;
}

/** How a network is cut at its client layers. */
export interface NetworkCutter {
  /** Cuts the network as passes left it. */
  cut(graph: Graph): Rounds;
  /** Inputs of a server part whose ranges are only bounds, and so large that they may cost the precision. */
  largeBounds(part: Graph): LargeBounds | undefined;
}

/** `written` is the network before passes, whose annotations state ranges. */
export function networkCutter(written: Graph, settings: Settings): NetworkCutter {
  const knownRange = clientRanges(written, settings.ranges);
  const picked = new Map<string, string>();
  const rangeOf = (name: string) => knownRange(picked.get(name) ?? name);
  const isClient = (node: Node) => isLeftToClient(node, settings);
  return {
    cut: (whole) => {
      const { graph, pickedFrom } = readPixels(whole, clientKnown(whole, { isClient }));
      for (const [name, from] of pickedFrom) picked.set(name, from);
      return cutRounds(graph, {
        isClient,
        rangeOf: ({ name }) => {
          const { low, high, origin } = rangeOf(name);
          // What the client computes with has the errors of what it decrypted.
          const more = origin === "data" ? margin * (high - low) : 2 ** (1 - settings.precision);
          // A value that is one number still needs a range to be encrypted in.
          return low === high ? [low - 1, high + 1] : [low - more, high + more];
        },
      });
    },
    largeBounds(part) {
      const sizes = inputsOf(part).flatMap(({ name }) => {
        const { low, high, origin } = rangeOf(name);
        const largest = Math.max(-low, high);
        return origin === "intervals" && largest > largeBound ? [{ name, largest }] : [];
      });
      if (sizes.length === 0) return undefined;
      return { layers: sizes.map((s) => s.name), largest: Math.max(...sizes.map((s) => s.largest)) };
    },
  };
}
