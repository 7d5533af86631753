/** A way to split the coordinates of an axis: `length` neighbouring ones are babies of one giant. */
export interface Cut {
  readonly length: number;
  /** Giants begin at coordinates that are a multiple of `length` less this. */
  readonly border: number;
  /** How many babies and giants there are; where there are gaps, how many are used by coordinates that occur. */
  readonly babies: number;
  readonly giants: number;
}

/** Of so few coordinates all distances are tried as lengths, and all of them as borders. */
const fewCoordinates = 24;

/**
 * The ways to split the coordinates of an axis, ascending. Lengths are those that change the number of giants; borders are chosen
 * so that 0 is a baby and few giants result. With `gaps`, distances between the coordinates are lengths, too, borders may lie at any
 * of them, and only ways are kept that none is better than in both babies and giants.
 */
export function cutsOf(coordinates: readonly number[], gaps: boolean): readonly Cut[] {
  const low = coordinates[0]!;
  const extent = coordinates.at(-1)! - low + 1;
  const lengths = new Set<number>();
  for (let parts = 1; parts <= extent; parts++) lengths.add(Math.ceil(extent / parts));
  const usual = [...lengths].map((length) => ({ length, border: fewestParts(low, extent, length) }));
  if (!gaps) return usual.map((cut) => ({ ...cut, babies: cut.length, giants: Math.ceil(extent / cut.length) }));
  const cuts = usual.map(({ length, border }) => cutAt(coordinates, length, border));
  if (coordinates.length <= fewCoordinates) {
    const distances = new Set(coordinates.flatMap((a) => coordinates.flatMap((b) => (a > b ? [a - b] : []))));
    for (const length of distances) {
      const borders = new Set(coordinates.map((c) => ((-c % length) + length) % length));
      for (const border of borders) cuts.push(cutAt(coordinates, length, border));
    }
  }
  return undominated(cuts);
}

function cutAt(coordinates: readonly number[], length: number, border: number): Cut {
  const [babies, giants] = [new Set<number>(), new Set<number>()];
  for (const c of coordinates) {
    const part = Math.floor((c + border) / length);
    giants.add(part);
    babies.add(c - part * length);
  }
  return { length, border, babies: babies.size, giants: giants.size };
}

/** The border, from 0, that cuts `extent` coordinates into the fewest parts. */
function fewestParts(low: number, extent: number, length: number): number {
  const parts = (border: number) =>
    Math.floor((low + extent - 1 + border) / length) - Math.floor((low + border) / length);
  let best = 0;
  for (let border = 1; border < length; border++) if (parts(border) < parts(best)) best = border;
  return best;
}

function undominated(cuts: readonly Cut[]): Cut[] {
  const better = (a: Cut, b: Cut) => a.babies <= b.babies && a.giants <= b.giants;
  return cuts.filter((cut, i) =>
    cuts.every((other, k) => k === i || !better(other, cut) || (better(cut, other) && i < k)),
  );
}
