import { type FilePlace, fail } from "../base/diagnostic.ts";
import { elementCount, sameShape } from "../base/tensor.ts";
import { normalStep } from "../packing/layer-plan.ts";
import { planesOf } from "../scheme/layout.ts";
import { canonicalScales, degrees, levelModuli, topLevel } from "../scheme/parameters.ts";
import { bitLength, isPrime, maxPrimeBits } from "../scheme/primes.ts";
import { securityClaim } from "../scheme/security.ts";
import { galoisKeyBytes } from "../scheme/sizes.ts";
import type { ClientView, Port } from "./plan.ts";
import { layoutProblem, maxPositions } from "./verify-layout.ts";

export interface VerifyOptions {
  /** Accepts parameters below the security tables when the plan admits to them. */
  readonly insecure?: boolean;
}

/** Far above what any plan needs that a person would wait for. */
export const maxRotationKeys = 4096;

/**
 * Everything a client relies on, checked against this program's own tables and not what the file says about them: degree,
 * primes, scales, security, rotation keys, inputs and outputs. Throws a SealwrightError with the place in the file.
 */
export function verifyClient(view: ClientView, path: string, options: VerifyOptions = {}): void {
  const at = (part: string): FilePlace => ({ path, part });
  checkCounts(view, at);
  checkPrimes(view, at);
  checkScales(view, at);
  checkSecurity(view, at, options);
  checkSteps(view, at);
  for (const side of ["inputs", "outputs"] as const) checkPorts(view, side, at);
  if (view.stages.length === 0) fail("json-value", at("stages"), { expected: "at least one stage", found: "none" });
}

type At = (part: string) => FilePlace;

/** First of all, and from numbers alone: a plan that would exhaust memory is refused before anything is computed. */
function checkCounts({ galoisSteps, cost, inputs, outputs }: ClientView, at: At): void {
  for (const [what, part, found] of [
    ["rotation keys", "galoisSteps", galoisSteps.length],
    ["rotation keys", "cost.totals.galoisKeys", cost.totals.galoisKeys],
  ] as const) {
    if (found > maxRotationKeys) fail("plan-too-costly", at(part), { what, found, limit: maxRotationKeys });
  }
  for (const [side, ports] of Object.entries({ inputs, outputs })) {
    for (const [i, { layout }] of ports.entries()) {
      const found = layout.slots * planesOf(layout);
      if (found > maxPositions) {
        fail("plan-too-costly", at(`${side}[${i}].layout`), { what: "slots", found, limit: maxPositions });
      }
    }
  }
}

function checkPrimes({ scheme }: ClientView, at: At): void {
  const { degree, primes, specialPrime } = scheme;
  if (!(degrees as readonly number[]).includes(degree))
    fail("plan-degree", at("scheme.degree"), { degree, known: degrees });
  const taken = new Set<bigint>();
  for (const [i, prime] of [...primes, specialPrime].entries()) {
    const reason =
      bitLength(prime) > maxPrimeBits
        ? `it has ${bitLength(prime)} bits, allowed are ${maxPrimeBits}`
        : prime % BigInt(2 * degree) !== 1n
          ? `it is not 1 modulo ${2 * degree}`
          : taken.has(prime)
            ? "it is there twice"
            : isPrime(prime)
              ? undefined
              : "it is no prime number";
    const part = i < primes.length ? `scheme.primes[${i}]` : "scheme.specialPrime";
    if (reason !== undefined) fail("plan-prime", at(part), { prime, reason });
    taken.add(prime);
  }
}

function checkScales({ scheme }: ClientView, at: At): void {
  const moduli = levelModuli(scheme);
  const scales = canonicalScales(scheme);
  // From the top down, as each scale follows from the one above it.
  for (let level = topLevel(scheme); level >= 0; level--) {
    const [scale, modulus] = [scales[level]!, moduli[level]!];
    if (scale > 1 && scale < modulus) continue;
    const [scaleBits, modulusBits] = [Math.log2(scale), Math.log2(modulus)];
    fail("plan-scale", at(level === topLevel(scheme) ? "scheme.scaleBits" : `scheme.scales[${level}]`), {
      level,
      scaleBits,
      modulusBits,
    });
  }
}

function checkSecurity({ scheme, security }: ClientView, at: At, { insecure }: VerifyOptions): void {
  const actual = securityClaim(scheme);
  for (const field of ["modulusBits", "limitBits", "table", "bits"] as const) {
    if (security[field] === actual[field]) continue;
    fail("security-overstated", at(`security.${field}`), { field, stated: security[field], actual: actual[field] });
  }
  if (scheme.security > actual.bits) {
    fail("security-overstated", at("scheme.security"), { field: "bits", stated: scheme.security, actual: actual.bits });
  }
  if (actual.bits === 0 && !insecure) {
    const { modulusBits, limitBits, table } = actual;
    fail("plan-insecure", at("security"), { modulusBits, limitBits, table, degree: scheme.degree });
  }
}

function checkSteps({ scheme, galoisSteps, cost }: ClientView, at: At): void {
  const slots = scheme.degree / 2;
  for (const [i, step] of galoisSteps.entries()) {
    const before = galoisSteps[i - 1];
    const reason =
      !Number.isInteger(step) || !Object.is(normalStep(step, slots), step)
        ? `step ${step} is not allowed, steps are ${1 - slots / 2} to ${slots / 2}, where 0 is the conjugation`
        : before !== undefined && before >= step
          ? `step ${step} stands behind ${before}, steps must ascend`
          : undefined;
    if (reason !== undefined) fail("plan-galois-steps", at(`galoisSteps[${i}]`), { reason });
  }
  const bytes = galoisSteps.length * galoisKeyBytes(scheme.degree, scheme.primes.length);
  for (const [what, counted] of [
    ["galoisKeys", galoisSteps.length],
    ["galoisKeyBytes", bytes],
  ] as const) {
    const stated = cost.totals[what];
    if (stated !== counted) fail("plan-cost", at(`cost.totals.${what}`), { what, stated, counted });
  }
}

function checkPorts(view: ClientView, side: "inputs" | "outputs", at: At): void {
  const ports = view[side];
  const names = new Set<string>();
  if (ports.length === 0) fail("json-value", at(side), { expected: `at least one of the ${side}`, found: "none" });
  for (const [i, port] of ports.entries()) {
    const reason = names.has(port.name)
      ? "two have this name"
      : (portProblem(view, port, side) ?? sendingProblem(port, ports.slice(0, i), side));
    if (reason !== undefined) fail("plan-port", at(`${side}[${i}]`), { port: port.name, reason });
    names.add(port.name);
  }
  const counted = ports.reduce((sum, { layout }) => sum + layout.ciphertexts, 0);
  const what = side === "inputs" ? "inputCiphertexts" : "outputCiphertexts";
  const stated = view.cost.totals[what];
  if (stated !== counted) fail("plan-cost", at(`cost.totals.${what}`), { what, stated, counted });
}

/** A further sending has the value of an input in front of it. */
function sendingProblem({ of, shape, range }: Port, before: readonly Port[], side: string): string | undefined {
  if (of === undefined) return undefined;
  const first = before.find((port) => port.name === of && port.of === undefined);
  if (side === "outputs" || first === undefined) return `there is no input '${of}' before it to be sent again`;
  const isSame = sameShape(first.shape, shape) && first.range.every((end, i) => Object.is(end, range[i]));
  return isSame ? undefined : `it is not of the shape and range of '${of}', which it sends again`;
}

function portProblem({ scheme }: ClientView, port: Port, side: "inputs" | "outputs"): string | undefined {
  const { name, shape, range, layout, level } = port;
  const [low, high] = range;
  if (name === "") return "it has no name";
  if (!(Number.isInteger(level) && level >= 0 && level <= topLevel(scheme)))
    return `level ${level} is not in the chain`;
  const ordered = side === "inputs" ? low < high : low <= high;
  if (!ordered || !Number.isFinite(low) || !Number.isFinite(high)) return `its range is ${low} to ${high}`;
  const sizesFit = shape.every((size) => Number.isSafeInteger(size) && size >= 1);
  if (!sizesFit || elementCount(shape) > maxPositions) return `its shape is [${shape.join(", ")}]`;
  return layoutProblem(layout, shape, scheme.degree / 2, side === "inputs" ? "input" : "result");
}
