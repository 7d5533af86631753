import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import { degrees, type Scheme } from "./parameters.ts";
import { largestPrime, maxPrimeBits, nearestPrime } from "./primes.ts";
import { modulusLimit } from "./security.ts";

export interface ChainRequest {
  /** Polynomial modulus degree N. */
  readonly degree: number;
  /** Rescales needed on the deepest path. */
  readonly levels: number;
  /** 128, 192 or 256; 0 asks for no limit at all. */
  readonly security: number;
  /** The exact scale wanted, log2; without it the largest that fits between the two bounds below. */
  readonly scaleBits?: number;
  readonly minScaleBits?: number;
  readonly maxScaleBits?: number;
  /** How many bits the last prime must exceed the scale: a sign, a margin and log2 of the largest value. Default 3. */
  readonly headroomBits?: number;
}

/** Below this scale a single rescale at N = 4096 leaves fewer than 9 bits. */
export const leastScaleBits = 20;
/** Above this the error is far below what float32 weights carry, and only time would be lost. */
export const largestScaleBits = 45;
export const leastHeadroomBits = 3;

/**
 * How many bits the special prime should exceed the largest data prime. SEAL's key switching does not centre its digits,
 * which leaves an error near slot 0 that halves with each of these bits: 3.3 sigma at 7, half a sigma at 10.
 */
const specialMargin = { least: 7, most: 10 };

/**
 * The primes of a scheme: `q0 = scale + headroom`, one prime of the scale's size per level, and a special prime some bits
 * above `q0`; all together within the stricter security table. Each prime is the one nearest to where it brings the next
 * canonical scale back to the wanted size, so scales do not drift however long the chain is.
 */
export function chooseChain(request: ChainRequest): Scheme | Problem {
  const { degree, levels, security, headroomBits = leastHeadroomBits } = request;
  if (!(degrees as readonly number[]).includes(degree)) return problem("unknown-degree", { degree, known: degrees });
  const limitBits = limitOf(degree, security);
  if (limitBits === undefined) return problem("unlisted-security", { degree, security });
  const most =
    request.scaleBits ??
    Math.min(request.maxScaleBits ?? largestScaleBits, maxPrimeBits - specialMargin.least - headroomBits);
  const least = request.scaleBits ?? Math.min(request.minScaleBits ?? leastScaleBits, most);
  if (most < leastScaleBits || most + headroomBits > maxPrimeBits)
    return problem("values-too-large", { headroomBits, scaleBits: least });
  let failure: Problem | undefined;
  for (let scaleBits = most; scaleBits >= least; scaleBits--) {
    const spareBits = limitBits - (levels + 2) * scaleBits - 2 * headroomBits;
    if (spareBits < marginNeeded(scaleBits + headroomBits)) continue;
    const chain = build(degree, levels, scaleBits, headroomBits, limitBits, Math.min(spareBits, specialMargin.most));
    if (!isProblem(chain)) return { ...chain, security };
    failure = chain;
  }
  const offered = levelsOffered(degree, security, least, headroomBits);
  const enough = degrees.find((d) => d > degree && levelsOffered(d, security, least, headroomBits) >= levels);
  return (
    failure ?? problem("chain-too-long", { degree, levels, security, scaleBits: least, offered, limitBits, enough })
  );
}

/** Rescales that a degree offers at a scale: "N = 32768 offers 26 at 2^30". At least 0; without a limit (security 0) Infinity. */
export function levelsOffered(
  degree: number,
  security: number,
  scaleBits: number,
  headroomBits = leastHeadroomBits,
): number {
  const forData = (limitOf(degree, security) ?? 0) - marginNeeded(scaleBits + headroomBits) - 2 * headroomBits;
  return Math.max(0, Math.floor(forData / scaleBits) - 2);
}

/** The largest scale, log2, at which a degree offers so many levels; may be too small to be of use, or not positive. */
export function scaleBitsOffered(
  degree: number,
  security: number,
  levels: number,
  headroomBits = leastHeadroomBits,
): number {
  const forData = (limitOf(degree, security) ?? 0) - specialMargin.least - 2 * headroomBits;
  return Math.min(Math.floor(forData / (levels + 2)), maxPrimeBits - specialMargin.least - headroomBits);
}

function limitOf(degree: number, security: number): number | undefined {
  return security === 0 ? Number.POSITIVE_INFINITY : modulusLimit(degree, security)?.bits;
}

/** Where the special prime cannot grow any more, a large first prime has to do with less. */
function marginNeeded(firstBits: number): number {
  return Math.max(0, Math.min(specialMargin.least, maxPrimeBits - firstBits));
}

function build(
  degree: number,
  levels: number,
  scaleBits: number,
  headroomBits: number,
  limitBits: number,
  marginBits: number,
) {
  const wanted = 2 ** scaleBits;
  const firstBits = scaleBits + headroomBits;
  const first = largestPrime(2n ** BigInt(firstBits) - 1n, degree, []);
  if (isProblem(first)) return first;
  const primes = [first];
  // From the top down, as rescaling drops them; the list is kept from level 1 up.
  for (let level = levels, scale = wanted; level > 0; level--) {
    const prime = nearestPrime((scale * scale) / wanted, degree, primes);
    if (isProblem(prime)) return prime;
    primes.splice(1, 0, prime);
    scale = (scale * scale) / Number(prime);
  }
  const specialBits = Math.min(maxPrimeBits, firstBits + marginBits);
  const specialPrime = largestPrime(within(limitBits, primes, 2n ** BigInt(specialBits) - 1n), degree, primes);
  return isProblem(specialPrime) ? specialPrime : { degree, primes, specialPrime, scaleBits };
}

/** The largest number that, times the primes, has no more bits than the limit: scale primes may lie above their power of two. */
function within(limitBits: number, primes: readonly bigint[], wanted: bigint): bigint {
  if (limitBits === Number.POSITIVE_INFINITY) return wanted;
  const data = primes.reduce((product, prime) => product * prime, 1n);
  const allowed = (2n ** BigInt(limitBits) - 1n) / data;
  return allowed < wanted ? allowed : wanted;
}
