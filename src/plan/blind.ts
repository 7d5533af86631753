import { invariant } from "../base/diagnostic.ts";
import type { NodeId } from "../ir/graph.ts";
import { orderTies } from "./blind-orders.ts";
import { layerResult, type Region } from "./blind-regions.ts";
import { Secrets } from "./blind-secrets.ts";
import { factorTies, type Parts, regionsByRound, unblinded } from "./blind-ties.ts";
import type { BlindedLayers, BlindedValue } from "./blinded-map.ts";
import type { RoundsPlan } from "./rounds.ts";

/** log2 of the largest factor; the smallest is 1, so that blinding never makes an error of the client's values larger. */
export const blindBits = 4;
/** The most that a plan may ask for. */
export const mostBlindBits = 16;

/**
 * The same plan with weights under which the client sees, in front of its steps, not the network's values but these times
 * secret factors (log-uniform from 1 to `2^blindBits`), their channels in a secret order; what the client makes of them goes
 * back the same way. Factors and orders cost nothing: rows of a layer's weights are multiplied and exchanged, and columns of the
 * next one's divided and exchanged back. They follow from the seed (32 bytes, for one run only); programs, parameters and layouts
 * do not change, so keys and what was verified stay good. A plan that was not compiled to be blinded is returned as it is.
 *
 * In the spirit of Popcorn (Wang, Jin, Meftah, Aung, arXiv 2107.01786), whose client applies activations for a server, too; that
 * weights take the factors and the order is particular to this compiler.
 */
export function blindRounds(plan: RoundsPlan, seed: Uint8Array): RoundsPlan {
  if (plan.blindBits === undefined) return plan;
  const regions = regionsByRound(plan);
  const [factors, orders] = [factorTies(plan, regions), orderTies(plan, regions)];
  const secrets = new Secrets(seed);
  const factorOf = new Map<number, number>([[unblinded, 1]]);
  for (const sets of factors.values.values())
    for (const set of sets) if (!factorOf.has(set)) factorOf.set(set, secrets.factor(plan.blindBits));
  const orderOf = new Map<number, Int32Array>();
  for (const { set, blocks } of orders.values.values())
    if (blocks > 1 && !orderOf.has(set)) orderOf.set(set, secrets.order(blocks));

  // Values that no client sees have nothing drawn.
  const blindedRegion = (region: Region): BlindedValue => {
    const sets = factors.regions.get(region)!;
    const isMultiplied = sets.some((set) => set !== unblinded && factorOf.has(set));
    return {
      order: spread(orderOf.get(orders.regions.get(region)!.set), region.size),
      factors: isMultiplied ? Float64Array.from(sets, (set) => factorOf.get(set) ?? 1) : undefined,
    };
  };
  return {
    ...plan,
    rounds: plan.rounds.map((round, r) =>
      round.server === undefined
        ? round
        : { ...round, server: { ...round.server, blinded: blindedLayers(regions[r]!, blindedRegion) } },
    ),
  };
}

/** An order of equal blocks as one of elements. */
function spread(blocks: Int32Array | undefined, size: number): Int32Array | undefined {
  if (blocks === undefined) return undefined;
  const length = size / blocks.length;
  invariant(Number.isInteger(length), `${size} elements are ${blocks.length} equal blocks`);
  return Int32Array.from({ length: size }, (_, e) => blocks[Math.floor(e / length)]! * length + (e % length));
}

interface Collected {
  result: BlindedValue | undefined;
  readonly operands: (BlindedValue | undefined)[];
}

function blindedLayers(regions: readonly Region[], blindedRegion: (region: Region) => BlindedValue): BlindedLayers {
  const layers = new Map<NodeId, Collected>();
  for (const region of regions) {
    const { order, factors } = blindedRegion(region);
    if (order === undefined && factors === undefined) continue;
    for (const { of, elements } of region.members) {
      if (!("layer" in of)) continue;
      const layer = layers.get(of.layer) ?? { result: undefined, operands: [] };
      layers.set(of.layer, layer);
      // A region with an order has no views, so the order is that of its members.
      const own: BlindedValue = { order, factors: factors && Float64Array.from(elements, (e) => factors[e] ?? 1) };
      if (of.operand === layerResult) layer.result = own;
      else layer.operands[of.operand] = own;
    }
  }
  return layers;
}

/** How a value is blinded that client and server exchange. */
export interface Blinding {
  readonly elements: number;
  /** Elements whose factor is not 1. */
  readonly multiplied: number;
  /** Different factors. */
  readonly factors: number;
  /** Equal blocks that are exchanged, 1 where the order is kept. */
  readonly blocks: number;
}

/** What `blindRounds` can do for each value. */
export function blindings(parts: Parts): ReadonlyMap<string, Blinding> {
  const regions = regionsByRound(parts);
  const orders = orderTies(parts, regions).values;
  return new Map(
    [...factorTies(parts, regions).values].map(([name, sets]): [string, Blinding] => {
      const secret = sets.filter((set) => set !== unblinded);
      const { blocks = 1 } = orders.get(name) ?? {};
      return [name, { elements: sets.length, multiplied: secret.length, factors: new Set(secret).size, blocks }];
    }),
  );
}
