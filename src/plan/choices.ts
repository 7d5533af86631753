import type { JsonInput } from "../base/json.ts";
import type { JsonCursor } from "../base/json-cursor.ts";

/** Who computes the activations that were left to `auto`, and what was weighed. Times are end to end, predicted, in milliseconds. */
export interface Choices {
  readonly layers: readonly LayerChoice[];
  /** What was compiled to compare, the one taken first. */
  readonly tried: readonly TriedMix[];
}

export interface LayerChoice {
  readonly layer: string;
  readonly op: string;
  readonly by: "client" | "polynomial";
  /** Degree of the polynomial it is or would be; 0 where there is none. */
  readonly degree: number;
  readonly why: (typeof reasons)[number];
  /** What the whole would take with this layer computed the other way, all else as chosen; undefined where it cannot be. */
  readonly otherwise?: number;
}

/** `faster`: as predicted; the others say why only the client can compute it, or why nothing else fits. */
export const reasons = ["faster", "no-polynomial", "no-range", "no-close-fit", "too-deep"] as const;

export interface TriedMix {
  /** Activations computed by polynomials, of all that `auto` may choose for. */
  readonly polynomials: number;
  readonly rounds: number;
  /** Undefined where it cannot be compiled. */
  readonly milliseconds?: number;
}

const maxCount = 1_000_000;

export function encodeChoices({ layers, tried }: Choices): JsonInput {
  return {
    layers: layers.map(({ otherwise, ...layer }) => ({ ...layer, otherwise: otherwise ?? null })),
    tried: tried.map(({ milliseconds, ...mix }) => ({ ...mix, milliseconds: milliseconds ?? null })),
  };
}

export function decodeChoices(cursor: JsonCursor): Choices {
  const at = cursor.object(["layers", "tried"]);
  return {
    layers: at.layers.list(maxCount).map((item): LayerChoice => {
      const layer = item.object(["layer", "op", "by", "degree", "why", "otherwise"]);
      return {
        layer: layer.layer.text(),
        op: layer.op.text(),
        by: layer.by.choice(["client", "polynomial"]),
        degree: layer.degree.integer(0, maxCount),
        why: layer.why.choice(reasons),
        ...(layer.otherwise.raw === null ? {} : { otherwise: layer.otherwise.number() }),
      };
    }),
    tried: at.tried.list(maxCount).map((item): TriedMix => {
      const mix = item.object(["polynomials", "rounds", "milliseconds"]);
      return {
        polynomials: mix.polynomials.integer(0, maxCount),
        rounds: mix.rounds.integer(0, maxCount),
        ...(mix.milliseconds.raw === null ? {} : { milliseconds: mix.milliseconds.number() }),
      };
    }),
  };
}
