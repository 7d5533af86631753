import type { LinearMap } from "../base/linear-map.ts";
import { eachDifference, type PlacedKernel, placedKernel } from "./kernel-differences.ts";
import type { LayerPlan } from "./layer-plan.ts";
import {
  firstProductOf,
  type Misplaced,
  type Piece,
  type PlacedLayer,
  type Placing,
  partOf,
  placingOf,
  preparedIn,
  visitWeights,
} from "./place.ts";
import { positionsAmong, type Spread } from "./positions.ts";

/** The products that `place` would give a weight, in its order. */
export function usedPieces(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
): readonly Piece[] | Misplaced {
  const layer = { map, coefficients, from, to, plan };
  const placing = placingOf(layer);
  if (typeof placing === "string") return placing;
  const { products } = placing;
  const used = new Uint8Array(products.count);
  const mark = (product: number) => {
    used[product] = 1;
  };
  const kernels = kernelsOf(layer, placing);
  const missing =
    kernels === undefined ? visitWeights(layer, placing, mark) : markKernels(kernels, layer, placing, mark);
  if (missing !== undefined) return missing;
  const pieces: Piece[] = [];
  for (let product = 0; product < used.length; product++) if (used[product] === 1) pieces.push(products.piece(product));
  return pieces;
}

/** The layer as kernels between places that are grids, if it is. */
function kernelsOf({ map, to }: PlacedLayer, { sources, computed }: Placing): readonly PlacedKernel[] | undefined {
  if (map.kernels === undefined) return undefined;
  const { slots } = to.layout;
  const places = computed.flatMap((own, plane) => own.map((slot) => plane * slots + slot));
  const rows = positionsAmong(places, to.elements, map.outputSize);
  const placed: PlacedKernel[] = [];
  for (const kernel of map.kernels()) {
    const found = placedKernel(kernel, sources[kernel.input]!.positions, rows, slots);
    if (found === undefined) return undefined;
    placed.push(found);
  }
  return placed;
}

/** Marks the products that the weights of kernels are given to. */
function markKernels(
  kernels: readonly PlacedKernel[],
  { coefficients, to, plan }: PlacedLayer,
  { products, sources }: Placing,
  mark: (product: number) => void,
): Misplaced | undefined {
  const { slots } = to.layout;
  let covered = true;
  for (const placed of kernels) {
    const source = sources[placed.kernel.input]!;
    const { within, firstProduct, babies } = source;
    const visit = (plane: number, toPlane: number, difference: number) => {
      const { wayTo, product } = source.ways[partOf(source, plane)]!;
      let best = -1;
      for (const copy of placed.columns.copies) {
        const way = wayTo[(difference + copy) & within]!;
        if (way >= 0 && (best < 0 || way < best)) best = way;
      }
      if (best < 0) covered = false;
      else
        mark(
          firstProductOf(to, toPlane, plan, products) +
            firstProduct +
            product[best]! +
            preparedIn(source, plane) * babies,
        );
    };
    eachDifference(placed, coefficients, slots, within + 1, visit, () => !covered);
  }
  return covered ? undefined : "uncovered weight";
}
