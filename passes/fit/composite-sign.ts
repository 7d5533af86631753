import { chebyshevAt } from "../../src/base/chebyshev.ts";
import type { CompositeSign, FitRequest, Shape } from "./fit.ts";
import { minimax } from "./minimax.ts";
import { rounded } from "./rounded.ts";

/** A composition, with the degree of all its stages together. */
export interface Composite {
  readonly shape: Shape;
  readonly degree: number;
}

/** Degrees of the stages, in the order of the levels they take together: 2, 3 and 4 for 3, 7 and 15. */
const stageDegrees: readonly (readonly number[])[] = [3, 7, 15]
  .flatMap((a) => [[a, 3], [a, 7], ...[3, 7].map((b) => [a, b, 3]), [a, 7, 7], [a, 7, 7, 7]])
  .sort((a, b) => levelsOf(a) - levelsOf(b) || a.length - b.length);

function levelsOf(degrees: readonly number[]): number {
  return degrees.reduce((sum, d) => sum + Math.ceil(Math.log2(d + 1)), 0);
}

/** Shares of the range around 0 where the sign may be anything. */
const gaps = Array.from({ length: 9 }, (_, i) => 2 ** -(i + 2));

/**
 * A function of two straight lines through 0 (relu, abs, leaky_relu) as x (middle + slope sign(x)), the sign being odd
 * polynomials one after the other, each the best for the values the one before it leaves (Lee, Lee, No and Kim, Minimax
 * approximation of sign function by composite polynomial, IEEE TDSC 2021). The first composition that will do, fewest levels
 * first; undefined for other functions, and where none will.
 */
export function compositeFit(request: FitRequest, willDo: (shape: Shape) => boolean): Composite | undefined {
  const lines = linesOf(request);
  if (lines === undefined) return undefined;
  const [low, high] = request.range;
  const reach = Math.max(Math.abs(low), Math.abs(high));
  const known = new Map<string, Stages | undefined>();
  for (const degrees of stageDegrees) {
    for (const gap of gaps) {
      const stages = signStages(degrees, gap, known);
      if (stages === undefined) continue;
      const sign: CompositeSign = { reach, stages: stages.list, ...lines };
      const shape: Shape = { kind: "sign", sign };
      if (willDo(shape)) return { shape, degree: degrees.reduce((product, d) => product * d, 1) };
    }
  }
  return undefined;
}

/** f(x) = x (middle + slope sign(x)), where that is what the function is. */
function linesOf({ target, range: [low, high] }: FitRequest) {
  if (!(low < 0 && high > 0)) return undefined;
  const points = Float64Array.of(-1, 1, low, high, low / 2, high / 2, 0);
  const [left, right, ...values] = target.at(points);
  const [middle, slope] = [(right! - left!) / 2, (right! + left!) / 2];
  const isLines = values.every((v, i) => {
    const x = points[i + 2]!;
    return Math.abs(v - x * (middle + slope * Math.sign(x))) <= 1e-12 * Math.max(1, Math.abs(v));
  });
  return isLines && slope !== 0 ? { middle, slope } : undefined;
}

const stagePoints = 512;

/** Stages, and between what values they leave what lies outside the gap. */
interface Stages {
  readonly list: readonly (readonly number[])[];
  readonly low: number;
  readonly high: number;
}

/**
 * Odd polynomials that take 2 gap .. 2 and the same below 0 closer and closer to 1 and -1; arguments stay within -2 .. 2.
 * Compositions that begin alike are found once, by what is `known`.
 */
function signStages(
  degrees: readonly number[],
  gap: number,
  known: Map<string, Stages | undefined>,
): Stages | undefined {
  const degree = degrees.at(-1);
  if (degree === undefined) return { list: [], low: 2 * gap, high: 2 };
  const key = `${gap}: ${degrees.join(" ")}`;
  if (known.has(key)) return known.get(key);
  const before = signStages(degrees.slice(0, -1), gap, known);
  const stages = before && oneMore(before, degree);
  known.set(key, stages);
  return stages;
}

function oneMore({ list, low, high }: Stages, degree: number): Stages | undefined {
  const points = Float64Array.from({ length: stagePoints }, (_, i) => low + ((high - low) * i) / (stagePoints - 1));
  const ones = new Float64Array(stagePoints).fill(1);
  const fit = minimax(points, ones, { degree, range: [-2, 2], uses: (k) => k % 2 === 1 });
  const stage = rounded(fit.coefficients);
  const values = points.map((x) => chebyshevAt(stage, x / 2));
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  // Inside the gap values lie between those of its two ends, as an odd minimax polynomial rises there.
  return least > 0 && most < 2 ? { list: [...list, stage], low: least, high: most } : undefined;
}
