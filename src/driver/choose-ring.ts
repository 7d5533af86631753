import type { Settings } from "../../passes/settings.ts";
import { codes } from "../base/codes.ts";
import { type Diagnostic, type Diagnostics, fail, SealwrightError } from "../base/diagnostic.ts";
import { multiplicativeDepth } from "../ir/analysis.ts";
import { evaluate } from "../ir/evaluate.ts";
import { annotationOf, type Graph } from "../ir/graph.ts";
import { depthNotes } from "../ir/path-notes.ts";
import type { RangeTable } from "../ir/ranges.ts";
import { calibrationSamples, shapedSamples } from "../plan/calibration.ts";
import { measureCost } from "../plan/cost.ts";
import { KeptConstants } from "../plan/kept-constants.ts";
import type { Tensors } from "../plan/machine.ts";
import { boundBits, type ErrorPrediction, leastBound, predictError, roomMargin } from "../plan/predict-error.ts";
import { leastHeadroomBits, leastScaleBits, scaleBitsOffered } from "../scheme/chain.ts";
import { rescaleVariance } from "../scheme/error-model.ts";
import { modulusLimit } from "../scheme/security.ts";
import { layersOnPath, type Offers, waysOut } from "./depth-advice.ts";
import { samplesWithin } from "./fitted-samples.ts";

/** A network packed for a ring; its primes do not matter yet. */
export interface Packed {
  readonly graph: Graph;
  /** What an observer would have seen. */
  readonly events: readonly (() => void)[];
  /** Warnings of the passes up to `pack`. */
  readonly said: readonly Diagnostic[];
}

/** A program for one ring, and the graphs it came from. */
export interface Candidate {
  readonly packed: Packed;
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
  readonly packed?: Packed;
  /** Linear layers, from the input on, that rescale before giant steps and folds. Default 0. */
  readonly early?: number;
}

export interface Ring extends Candidate {
  readonly request: RingRequest;
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
 * values that calibration saw; then for larger ones as long as those are faster. Reports why not when no ring will do.
 */
export function chooseRing(
  network: Graph,
  settings: Settings,
  diagnostics: Diagnostics,
  compile: (request: RingRequest) => Candidate,
  /** The network before its polynomials are written out: advice speaks of these, and calibration keeps to their ranges. */
  unexpanded: () => Graph = () => network,
): Ring {
  checkListed(settings, diagnostics);
  const { depth } = multiplicativeDepth(network);
  // Calibration keeps to where polynomials were fitted.
  const [samples, shaped] = [calibrationSamples(network), shapedSamples(network)].map((all) =>
    samplesWithin(unexpanded(), all),
  ) as [readonly Tensors[], readonly Tensors[]];
  const { roomBits = 0, roomStep = 1 } = settings;
  const leastRoom = headroomFor(network, [...samples, ...shaped], settings.ranges);
  let found: Ring | undefined;
  let packed: Packed | undefined;
  let refused: SealwrightError | undefined;
  let nearest: { readonly degree: number; readonly precisionBits: number } | undefined;
  // Room that is no multiple is a step towards sharing keys, but no reason for a larger ring.
  const steps = roomStep === 1 ? [1] : [roomStep, 1];
  const tries = ringsToTry(settings, depth).flatMap((ring) => steps.map((step) => ({ ...ring, step })));
  for (const { degree, insecure, step } of tries) {
    // A larger ring makes every operation slower; it can win only where it needs fewer ciphertexts.
    if (found !== undefined && (insecure || !hasSeveralCiphertexts(found.packed.graph))) break;
    if (found?.request.degree === degree) continue;
    if (step === steps[0]) packed = undefined;
    try {
      const roomFor = (bits: number) => Math.ceil((bits + roomBits) / step) * step;
      const predict = predictorFor(samples, roomFor);
      const keepPacked = (request: RingRequest) => {
        const candidate = compile(request);
        packed = candidate.packed;
        return candidate;
      };
      const request = { degree, insecure, headroomBits: roomFor(leastRoom), ...(packed && { packed }) };
      const ring = fitHeadroom(request, keepPacked, predict);
      const { precisionBits } = ring;
      // Where errors drown the values, no precision to settle for is worth naming.
      if (precisionBits < settings.precision) {
        if (precisionBits > (nearest?.precisionBits ?? 0)) nearest = { degree, precisionBits };
        continue;
      }
      const faster = spendPrecision(ring, settings, compile, predict);
      if (found !== undefined && milliseconds(found, settings) <= milliseconds(faster, settings)) break;
      found = faster;
    } catch (error) {
      if (!(error instanceof SealwrightError)) throw error;
      refused = error;
    }
  }
  if (found !== undefined) {
    for (const d of found.diagnostics.all) diagnostics.add(d);
    return found;
  }
  const degree = settings.degree ?? largestDegree;
  const wanted = settings.precision;
  const offered = levelsAtPrecision(degree, settings.security, wanted);
  const ways = (most: number) =>
    waysOut({ network, unexpanded: unexpanded(), settings, degree, offered: most, offers: offersOf(settings) });
  if (nearest === undefined && refused !== undefined) throw withWays(refused, () => ways(offered));
  const notes = depthNotes(layersOnPath(network, unexpanded()));
  if (nearest !== undefined) {
    const { degree: best, precisionBits: bits } = nearest;
    const least = ways(levelsGaining(best, settings.security, depth, wanted - bits));
    const params = { wanted, degree: best, levels: depth, bits, ways: withNearest(least, bits) };
    diagnostics.report("precision-unreachable", "nowhere", params, notes);
  } else {
    const { security } = settings;
    const params = { levels: depth, degree, offered, precision: wanted, security, ways: ways(offered) };
    diagnostics.report("network-too-deep", "nowhere", params, notes);
  }
  diagnostics.throwIfErrors();
  throw refused;
}

/** The precision that is possible is known exactly here, so no estimate of one is told. */
function withNearest(ways: readonly string[], bits: number): readonly string[] {
  const others = ways.filter((way) => !way.startsWith("set precision"));
  return bits < 1 ? others : [`set precision to ${Math.floor(bits)} bits or less`, ...others];
}

/** A refusal with what would do in the place of its own help. */
function withWays(refused: SealwrightError, ways: () => readonly string[]): SealwrightError {
  if (!refused.diagnostics.some((d) => d.code === "chain-too-long")) return refused;
  const known = ways();
  const help = codes["chain-too-long"].help as (params: object) => string;
  return new SealwrightError(
    refused.diagnostics.map((d) =>
      d.code === "chain-too-long" && known.length > 0 ? { ...d, help: help({ ways: known }) } : d,
    ),
  );
}

function offersOf({ security }: Settings): Offers {
  return { degrees: usefulDegrees, levels: (degree, precision) => levelsAtPrecision(degree, security, precision) };
}

/** The most levels of a network whose scale has so many bits more than one with `levels` has. */
function levelsGaining(degree: number, security: number, levels: number, bits: number): number {
  const wanted = scaleBitsOffered(degree, security, levels) + bits;
  let most = levels - 1;
  while (most > 0 && scaleBitsOffered(degree, security, most) < wanted) most--;
  return most;
}

/** Before anything is packed for a ring, which takes long for a large one: whether its security is known at all. */
function checkListed({ degree, security, insecure }: Settings, diagnostics: Diagnostics): void {
  if (degree === undefined || insecure || modulusLimit(degree, security) !== undefined) return;
  diagnostics.report("unlisted-security", "nowhere", { degree, security });
  diagnostics.throwIfErrors();
}

/** Rings within the security tables first; beyond them only where the user allowed it and nothing else holds. */
function ringsToTry(settings: Settings, levels: number): readonly Pick<RingRequest, "degree" | "insecure">[] {
  const listed = degreesToTry(settings, levels).filter((n) => modulusLimit(n, settings.security) !== undefined);
  const secure = listed.map((degree) => ({ degree, insecure: false }));
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
  const holds = (count: number) =>
    bestBits(degree, security, count) >= precision && scaleBitsOffered(degree, security, count) >= leastScaleBits;
  while (holds(levels + 1)) levels++;
  return levels;
}

/** Bits above the scale that the outputs will need, from the network itself: the last prime must hold them with a sign and a margin. */
function headroomFor(network: Graph, samples: readonly Tensors[], ranges: RangeTable = new Map()): number {
  let largest = 1;
  for (const { low, high } of ranges.values()) largest = Math.max(largest, Math.abs(low), Math.abs(high));
  for (const sample of samples) {
    for (const { data } of evaluate(network, sample).values())
      for (const v of data) largest = Math.max(largest, Math.abs(v));
  }
  return Math.max(leastHeadroomBits, Math.min(mostHeadroomBits, Math.ceil(Math.log2(largest * roomMargin * 2))));
}

function fitHeadroom(request: RingRequest, compile: (request: RingRequest) => Candidate, predict: Predictor): Ring {
  let next = request;
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const candidate = compile(next);
    const ring = predict(candidate, next);
    if (ring.prediction.headroomBits <= next.headroomBits) return ring;
    next = { ...next, headroomBits: ring.prediction.headroomBits, packed: candidate.packed };
  }
  return fail("values-too-large", "nowhere", { headroomBits: next.headroomBits, scaleBits: leastScaleBits });
}

/** A candidate with its predicted errors. */
type Predictor = (candidate: Candidate, request: RingRequest) => Ring;

/**
 * Predicts errors on samples, and the room that values need, from the bits of the largest. What it learns of a ring's constants
 * serves the next candidate for the same ring.
 */
function predictorFor(samples: readonly Tensors[], roomFor: (bits: number) => number): Predictor {
  const kept = new KeptConstants();
  return (candidate, request) => {
    const { program, leveled } = candidate;
    const seen = predictError(program, { samples, leveled, constants: (layer) => kept.of(program, layer) });
    const prediction = { ...seen, headroomBits: roomFor(seen.headroomBits) };
    const precisionBits = Math.min(...[...prediction.outputs.values()].map(({ bound }) => boundBits(bound)));
    return { ...candidate, request, prediction, precisionBits };
  };
}

/** Bits of precision that rescaling early costs at least, in all linear layers and in all but the last (whose folds lose most). */
const earlyBits = { all: 3, butLast: 1 };

/**
 * Where more precision is predicted than was asked for, linear layers may rescale before they rotate their sums, which then
 * happens at a lower level and takes less time (ckks.md, section 1). Takes the fastest program that is precise enough.
 */
function spendPrecision(
  ring: Ring,
  settings: Settings,
  compile: (request: RingRequest) => Candidate,
  predict: Predictor,
): Ring {
  const { precision } = settings;
  const layers = ring.leveled.nodes.filter((node) => annotationOf(node, "plan") !== undefined).length;
  const spare = ring.precisionBits - precision;
  const choices = [
    ...(spare >= earlyBits.all ? [layers] : []),
    ...(spare >= earlyBits.butLast && layers > 1 ? [layers - 1] : []),
  ];
  for (const early of choices) {
    const candidate = compile({ ...ring.request, packed: ring.packed, early });
    if (milliseconds(candidate, settings) >= milliseconds(ring, settings)) continue;
    const predicted = predict(candidate, ring.request);
    const holds = predicted.prediction.headroomBits <= ring.request.headroomBits;
    if (holds && predicted.precisionBits >= precision) return predicted;
  }
  return ring;
}

function milliseconds({ leveled, program }: Candidate, { costTable }: Settings): number {
  return measureCost({ leveled, program, table: costTable }).estimate.milliseconds;
}

function hasSeveralCiphertexts(packed: Graph): boolean {
  return packed.nodes.some(({ op, type }) => op !== "input" && type.kind === "packed" && type.layout.ciphertexts > 1);
}
