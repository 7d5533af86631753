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
 * The ways to split all coordinates of an axis: lengths that change the number of giants, and borders chosen so that 0 is a baby
 * and few giants result.
 */
export function cutsOfRange(low: number, extent: number): readonly Cut[] {
  return lengthsOf(extent).map((length) => ({
    length,
    border: fewestParts(low, extent, length),
    babies: length,
    giants: Math.ceil(extent / length),
  }));
}

/**
 * The ways to split some coordinates of an axis, ascending, with gaps between them: distances between the coordinates are lengths,
 * too, borders may lie at any of them, and only ways are kept that none is better than in both babies and giants.
 */
export function cutsWithGaps(coordinates: readonly number[]): readonly Cut[] {
  const low = coordinates[0]!;
  const extent = coordinates.at(-1)! - low + 1;
  const cuts = lengthsOf(extent).map((length) => cutAt(coordinates, length, fewestParts(low, extent, length)));
  if (coordinates.length <= fewCoordinates) {
    const distances = new Set(coordinates.flatMap((a) => coordinates.flatMap((b) => (a > b ? [a - b] : []))));
    for (const length of distances) {
      const borders = new Set(coordinates.map((c) => ((-c % length) + length) % length));
      for (const border of borders) cuts.push(cutAt(coordinates, length, border));
    }
  }
  return undominated(cuts);
}

/** The least length for each number of parts. */
function lengthsOf(extent: number): number[] {
  const lengths = new Set<number>();
  for (let parts = 1; parts <= extent; parts++) lengths.add(Math.ceil(extent / parts));
  return [...lengths];
}

/** The cut of ascending coordinates at a border. */
function cutAt(coordinates: readonly number[], length: number, border: number): Cut {
  const babies = new Set<number>();
  let giants = 0;
  let last = Number.NaN;
  for (const c of coordinates) {
    const part = Math.floor((c + border) / length);
    if (part !== last) giants++;
    last = part;
    babies.add(c - part * length);
  }
  return { length, border, babies: babies.size, giants };
}

/** The least border, from 0, that cuts `extent` coordinates into the fewest parts. */
function fewestParts(low: number, extent: number, length: number): number {
  const within = ((low % length) + length) % length;
  return within + ((extent - 1) % length) < length ? 0 : length - within;
}

function undominated(cuts: readonly Cut[]): Cut[] {
  const better = (a: Cut, b: Cut) => a.babies <= b.babies && a.giants <= b.giants;
  return cuts.filter((cut, i) =>
    cuts.every((other, k) => k === i || !better(other, cut) || (better(cut, other) && i < k)),
  );
}
