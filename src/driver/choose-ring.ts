import type { Settings } from "../../passes/settings.ts";
import { type Diagnostics, fail, SealwrightError } from "../base/diagnostic.ts";
import { multiplicativeDepth } from "../ir/analysis.ts";
import { evaluate } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import { calibrationSamples } from "../plan/calibration.ts";
import { boundBits, type ErrorPrediction, leastBound, predictError, roomMargin } from "../plan/predict-error.ts";
import { leastHeadroomBits, leastScaleBits, scaleBitsOffered } from "../scheme/chain.ts";
import { rescaleVariance } from "../scheme/error-model.ts";

/** A program for one ring, and the graphs it came from. */
export interface Candidate {
  readonly packed: Graph;
  readonly leveled: Graph;
  readonly program: Graph;
  /** The graph after each pass, by its name. */
  readonly stages: ReadonlyMap<string, Graph>;
  /** What an observer would have seen. */
  readonly events: readonly (() => void)[];
  /** Warnings of the passes. */
  readonly diagnostics: Diagnostics;
}

export interface RingRequest {
  readonly degree: number;
  /** Whether the primes may exceed the security tables. */
  readonly insecure: boolean;
  /** Bits of the last prime above the scale. */
  readonly headroomBits: number;
  /** The packed network, when this degree was tried before. */
  readonly packed?: Graph;
}

export interface Ring extends Candidate {
  readonly prediction: ErrorPrediction;
  /** -log2 of the largest error of any output. */
  readonly precisionBits: number;
}

/** Degrees worth compiling for. Smaller rings are faster by more than their degree, so the smallest that holds wins. */
const usefulDegrees = [4096, 8192, 16384, 32768] as const;
export const largestDegree = 32768;
const maxAttempts = 4;
/** More than any chain could offer; larger values are refused with their own message. */
const mostHeadroomBits = 40;

/**
 * Compiles for one ring after another until the predicted error is within the asked precision, and the last prime holds the
 * values that calibration saw. Reports why not when no ring will do.
 */
export function chooseRing(
  network: Graph,
  settings: Settings,
  diagnostics: Diagnostics,
  compile: (request: RingRequest) => Candidate,
): Ring {
  const { depth, path } = multiplicativeDepth(network);
  const firstHeadroom = headroomFor(network);
  let refused: SealwrightError | undefined;
  let nearest: { readonly degree: number; readonly precisionBits: number } | undefined;
  for (const { degree, insecure } of ringsToTry(settings, depth)) {
    try {
      const ring = fitHeadroom({ degree, insecure, headroomBits: firstHeadroom }, compile);
      const { precisionBits } = ring;
      if (precisionBits >= settings.precision) {
        for (const d of ring.diagnostics.all) diagnostics.add(d);
        return ring;
      }
      // Where errors drown the values, no precision to settle for is worth naming.
      if (precisionBits > (nearest?.precisionBits ?? 0)) nearest = { degree, precisionBits };
    } catch (error) {
      if (!(error instanceof SealwrightError)) throw error;
      refused = error;
    }
  }
  if (nearest === undefined && refused !== undefined) throw refused;
  const notes = path.map(({ node, levels }) => ({
    message: `'${node.name}' (${node.op}) uses ${levels} level(s)`,
    span: node.span,
  }));
  const wanted = settings.precision;
  if (nearest !== undefined) {
    const { degree, precisionBits } = nearest;
    diagnostics.report(
      "precision-unreachable",
      "nowhere",
      { wanted, degree, levels: depth, bits: precisionBits },
      notes,
    );
  } else {
    const degree = settings.degree ?? largestDegree;
    const offered = levelsAtPrecision(degree, settings.security, wanted);
    diagnostics.report(
      "network-too-deep",
      "nowhere",
      { levels: depth, degree, offered, precision: wanted, security: settings.security },
      notes,
    );
  }
  diagnostics.throwIfErrors();
  throw refused;
}

/** Rings within the security tables first; beyond them only where the user allowed it and nothing else holds. */
function ringsToTry(settings: Settings, levels: number): readonly Pick<RingRequest, "degree" | "insecure">[] {
  const secure = degreesToTry(settings, levels).map((degree) => ({ degree, insecure: false }));
  const others = settings.degree === undefined ? usefulDegrees : [settings.degree];
  return settings.insecure ? [...secure, ...others.map((degree) => ({ degree, insecure: true }))] : secure;
}

/** The degrees that may hold a network of so many levels at the asked precision, smallest first. */
export function degreesToTry(settings: Settings, levels: number): readonly number[] {
  if (settings.degree !== undefined) return [settings.degree];
  return usefulDegrees.filter((degree) => bestBits(degree, settings.security, levels) >= settings.precision);
}

/** Bits that a single rescale leaves at the largest scale that fits: no program of so many levels can promise more. */
function bestBits(degree: number, security: number, levels: number): number {
  const scale = 2 ** scaleBitsOffered(degree, security, levels);
  return boundBits(leastBound(rescaleVariance(degree, scale)));
}

function levelsAtPrecision(degree: number, security: number, precision: number): number {
  let levels = 0;
  while (bestBits(degree, security, levels + 1) >= precision) levels++;
  return levels;
}

/** Bits above the scale that the outputs will need, from the network itself: the last prime must hold them with a sign and a margin. */
function headroomFor(network: Graph): number {
  let largest = 1;
  for (const sample of calibrationSamples(network)) {
    for (const { data } of evaluate(network, sample).values())
      for (const v of data) largest = Math.max(largest, Math.abs(v));
  }
  return Math.max(leastHeadroomBits, Math.min(mostHeadroomBits, Math.ceil(Math.log2(largest * roomMargin * 2))));
}

function fitHeadroom(request: RingRequest, compile: (request: RingRequest) => Candidate): Ring {
  let next = request;
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const candidate = compile(next);
    const prediction = predictError(candidate.program, { leveled: candidate.leveled });
    if (prediction.headroomBits <= next.headroomBits) {
      const precisionBits = Math.min(...[...prediction.outputs.values()].map(({ bound }) => boundBits(bound)));
      return { ...candidate, prediction, precisionBits };
    }
    next = { ...next, headroomBits: prediction.headroomBits, packed: candidate.packed };
  }
  return fail("values-too-large", "nowhere", { headroomBits: next.headroomBits, scaleBits: leastScaleBits });
}
