import type { TriedMix } from "../plan/choices.ts";
import { type ChoiceRequest, type Cut, type Mix, MixTimes } from "./mix-times.ts";

export interface ChosenMix {
  readonly mix: Mix;
  readonly cut: Cut;
  /** What was compiled, the fastest first. */
  readonly tried: readonly TriedMix[];
  /** What the whole takes with one layer computed the other way, in milliseconds; infinite where that does not fit. */
  otherwise(layer: string): number;
}

/** Most ways that are compiled, that with all by the client among them. */
const mostTrials = 4;

/**
 * Chooses which of the candidates polynomials compute, for the least time from end to end. Estimates of parts start rough and
 * become exact where a part is compiled: the way that looks fastest is compiled until what looks fastest is known to be. What
 * looks fastest is found by descent, from all by the client and from all by polynomials: of all ways that differ in one
 * layer, or in the layers of one round together, the fastest, as long as that gains.
 */
export function chooseMix(request: ChoiceRequest): ChosenMix {
  const { candidates, progress } = request;
  const times = new MixTimes(request);
  const none: Mix = new Set();
  const all: Mix = new Set(candidates);
  const groups = groupsOf(times.cutOf(none), candidates);
  const fastest = (mixes: readonly Mix[]) => mixes.reduce((a, b) => (times.of(b) < times.of(a) ? b : a));
  const descend = (from: Mix): Mix => {
    // Too deep by far, mostly, and so is all that is near it: estimates of deep parts take longest.
    if (!Number.isFinite(times.of(from))) return from;
    const next = fastest(groups.map((group) => flipped(from, group)));
    return times.of(next) < times.of(from) ? descend(next) : from;
  };
  const tried: Mix[] = [];
  const attempt = (mix: Mix) => {
    tried.push(mix);
    progress?.(`comparing ways to compute ${candidates.length} activations: number ${tried.length}`);
    times.compile(mix);
  };
  attempt(none);
  while (candidates.length > 0 && tried.length < mostTrials) {
    const best = fastest([...tried, descend(none), descend(all)]);
    if (times.isExact(best)) break;
    attempt(best);
  }
  const known = tried.toSorted((a, b) => (times.of(a) < times.of(b) ? -1 : Number(times.of(a) > times.of(b))));
  const mix = known[0]!;
  return {
    mix,
    cut: times.cutOf(mix),
    tried: known.map((m) => ({
      polynomials: m.size,
      rounds: times.cutOf(m).parts.length,
      ...(Number.isFinite(times.of(m)) ? { milliseconds: Math.round(times.of(m)) } : {}),
    })),
    otherwise: (layer) => times.of(flipped(mix, [layer])),
  };
}

/** Each candidate by itself, and those together whose values the client has in the same round when it computes all. */
function groupsOf({ rounds }: Cut, candidates: readonly string[]): readonly (readonly string[])[] {
  const known = new Set(candidates);
  const together = (rounds?.rounds ?? []).map(({ client }) =>
    (client?.nodes ?? []).flatMap((node) => (known.has(node.name) && node.op !== "input" ? [node.name] : [])),
  );
  return [...candidates.map((name) => [name]), ...together.filter((group) => group.length > 1)];
}

function flipped(mix: Mix, layers: readonly string[]): Mix {
  const isIn = layers.every((layer) => mix.has(layer));
  return new Set(isIn ? [...mix].filter((layer) => !layers.includes(layer)) : [...mix, ...layers]);
}
