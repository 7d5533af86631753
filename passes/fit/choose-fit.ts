import { compositeFit } from "./composite-sign.ts";
import { ErrorMeter, type Fit, type FitRequest, type Shape } from "./fit.ts";
import { fittingWeights } from "./grid.ts";
import { type LeastSquares, leastSquares } from "./least-squares.ts";
import { minimax } from "./minimax.ts";
import { rounded } from "./rounded.ts";

/** The largest degree that is fitted. */
export const largestFit = 63;

/** Highest degree that is preferred to a composition, which reaches small errors with fewer products. */
const largestPlain = 31;

/** Fits one function in several ways. */
export class Fitter {
  readonly #request: FitRequest;
  readonly #meter: ErrorMeter;
  readonly #squares: LeastSquares;

  /** `largestDegree` bounds the degrees that may be asked for. */
  constructor(request: FitRequest, largestDegree: number) {
    this.#request = request;
    this.#meter = new ErrorMeter(request);
    const cells = fittingWeights(request.range, request.histogram);
    this.#squares = leastSquares(request.target.at(cells.points), cells, request.range, largestDegree);
  }

  /** False where the function has no finite value somewhere in the range: nothing can be fitted. */
  get isFinite(): boolean {
    return this.#meter.isFinite;
  }

  /** The fit of a degree: least squares where it is known which values occur, else the least largest error. */
  ofDegree(degree: number): Fit {
    return this.measured(this.shapeOf(degree), degree);
  }

  /**
   * The smallest degree whose rms error is at most `tolerance` of the spread of the function's values; for functions of two
   * straight lines, a composition where no degree up to 31 does. Where nothing does, the best there is.
   */
  within(tolerance: number): { readonly fit: Fit; readonly isWithin: boolean } {
    const allowed = tolerance * this.#meter.spread;
    const found = this.firstDegree(2, largestPlain, allowed);
    if (found !== undefined) return { fit: this.ofDegree(found), isWithin: true };
    const composed = compositeFit(this.#request, (shape) => this.#meter.rough(shape).rms <= allowed);
    if (composed !== undefined) return { fit: this.measured(composed.shape, composed.degree), isWithin: true };
    const last = this.firstDegree(largestPlain + 1, largestFit, allowed);
    return { fit: this.ofDegree(last ?? largestFit), isWithin: last !== undefined };
  }

  private firstDegree(from: number, to: number, allowed: number): number | undefined {
    for (let degree = from; degree <= to; degree++) {
      if (this.#meter.rough(this.shapeOf(degree)).rms <= allowed) return degree;
    }
    return undefined;
  }

  private measured(shape: Shape, degree: number): Fit {
    return { shape, degree, error: this.#meter.of(shape) };
  }

  private shapeOf(degree: number): Shape {
    const squares = polynomialShape(this.#squares.coefficients(degree));
    const { histogram, target, range } = this.#request;
    if (histogram !== undefined) return squares;
    const points = minimaxPoints(range, target.kinks);
    const least = polynomialShape(minimax(points, target.at(points), { degree, range }).coefficients);
    // Close to the last bit the exchange finds nothing to level; around a jump it levels what nothing helps.
    const [largest, mean] = [this.#meter.rough(least), this.#meter.rough(squares)];
    return largest.max <= mean.max && largest.rms <= mostUneven * mean.rms ? least : squares;
  }
}

/** The most by which a least largest error may have a larger mean than the least mean. */
const mostUneven = 2;

function polynomialShape(coefficients: readonly number[]): Shape {
  return { kind: "chebyshev", coefficients: rounded(coefficients) };
}

/** Points that lie closer together towards the ends, where a polynomial's error is quickest. */
function minimaxPoints([low, high]: FitRequest["range"], kinks: readonly number[]): Float64Array {
  const count = 2048;
  const spread = Array.from({ length: count + 1 }, (_, i) => {
    const u = (2 * i) / count - 1;
    return low + ((high - low) * ((u * (3 - u * u)) / 2 + 1)) / 2;
  });
  return Float64Array.from([...spread, ...kinks.filter((k) => k > low && k < high)]).sort();
}
