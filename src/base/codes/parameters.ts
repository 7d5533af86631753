import { code } from "./code.ts";

/** `(1) this; (2) that`. */
function cheapest(ways: readonly string[]): string {
  return ways.length === 1 ? ways[0]! : ways.map((way, i) => `(${i + 1}) ${way}`).join("; ");
}

export const parameterCodes = {
  "unknown-degree": code<{ degree: number; known: readonly number[] }>({
    id: "SW501",
    severity: "error",
    exit: 4,
    message: (p) => `polynomial degree ${p.degree} is not supported, supported are ${p.known.join(", ")}`,
    help: "choose one of them, or leave 'degree' out to let the compiler choose",
  }),
  "unlisted-security": code<{ degree: number; security: number }>({
    id: "SW502",
    severity: "error",
    exit: 6,
    message: (p) =>
      `no security table lists ${p.security}-bit security for degree ${p.degree}, listed are 128, 192 and 256 bits`,
    help: "choose a listed security level, or a degree from 2048 to 32768",
  }),
  "chain-too-long": code<{
    degree: number;
    levels: number;
    security: number;
    scaleBits: number;
    offered: number;
    limitBits: number;
    /** The next degree that would do, if any. */
    enough: number | undefined;
    /** What would do, cheapest first, where that is known. */
    ways?: readonly string[];
  }>({
    id: "SW503",
    severity: "error",
    exit: 4,
    message: (p) =>
      `${p.levels} levels at a scale of 2^${p.scaleBits} are needed, but degree ${p.degree} offers ${p.offered} at ${p.security}-bit security (${p.limitBits} bits of modulus)`,
    help: (p) =>
      p.ways !== undefined && p.ways.length > 0
        ? cheapest(p.ways)
        : p.enough !== undefined
          ? `leave 'degree' out to let the compiler choose; degree ${p.enough} has room for the levels, the precision may need a larger one`
          : "ask for less precision, use polynomials of lower degree, or let the client compute activations ('activation relu = client')",
  }),
  "too-few-primes": code<{ degree: number; bits: number }>({
    id: "SW504",
    severity: "error",
    exit: 4,
    message: (p) => `there are too few primes of about ${p.bits} bits that are 1 mod ${2 * p.degree}`,
    help: "use larger scales, fewer levels or a smaller degree",
  }),
  "values-too-large": code<{ headroomBits: number; scaleBits: number }>({
    id: "SW505",
    severity: "error",
    exit: 4,
    message: (p) =>
      `the network's values need ${p.headroomBits} bits above a scale of 2^${p.scaleBits}, but a prime has at most 60 bits`,
    help: "scale inputs or weights down so that outputs are smaller, or narrow the declared input range",
  }),
  "value-overflow": code<{ node: string; largest: number; limit: number }>({
    id: "SW506",
    severity: "error",
    exit: 8,
    message: (p) =>
      `'${p.node}' reaches ${p.largest.toPrecision(4)}, but its ciphertext holds values up to ${p.limit.toPrecision(4)}`,
    help: "check that the input is inside its declared range; if it is, compile again with calibration data like it",
  }),
  "precision-unreachable": code<{
    wanted: number;
    degree: number;
    levels: number;
    bits: number;
    /** What would do, cheapest first. */
    ways: readonly string[];
  }>({
    id: "SW510",
    severity: "error",
    exit: 4,
    message: (p) =>
      `the network needs ${p.levels} levels; the best is ${p.bits < 1 ? "no right bit at all" : `${p.bits} bits`} at degree ${p.degree}, asked are ${p.wanted} bits`,
    help: (p) => {
      const ranges = "weights and inputs of a smaller range let errors grow less";
      if (p.ways.length > 0) return `${cheapest(p.ways)}; ${ranges}`;
      return p.bits < 1
        ? `drop layers or use activations of lower degree; ${ranges}`
        : `set precision to ${Math.floor(p.bits)} bits or less; ${ranges}`;
    },
  }),
  "network-too-deep": code<{
    levels: number;
    degree: number;
    offered: number;
    precision: number;
    security: number;
    /** What would do, cheapest first. */
    ways: readonly string[];
  }>({
    id: "SW511",
    severity: "error",
    exit: 4,
    message: (p) =>
      p.levels <= p.offered
        ? `the network needs ${p.levels} levels; on the way errors outgrow its values, even at degree ${p.degree} and ${p.security}-bit security`
        : `the network needs ${p.levels} levels, degree ${p.degree} offers ${p.offered} at a precision of ${p.precision} bits and ${p.security}-bit security`,
    help: (p) =>
      p.ways.length > 0
        ? `${cheapest(p.ways)}; or use activations of lower degree, or drop layers`
        : "ask for less precision, use activations of lower degree, or drop layers",
  }),
  "unknown-target": code<{ name: string }>({
    id: "SW520",
    severity: "error",
    exit: 3,
    message: (p) => `there is no target '${p.name}', known are 'seal' and 'network'`,
    help: "write 'target seal { ... }' for what the encryption is to be, 'target network { ... }' for the way between client and server",
  }),
  "unknown-setting": code<{ key: string; meant: string | undefined; known: readonly string[] }>({
    id: "SW521",
    severity: "error",
    exit: 3,
    message: (p) => `there is no setting '${p.key}' of target seal, known are ${p.known.join(", ")}`,
    help: (p) => (p.meant === undefined ? "use one of the known settings" : `did you mean '${p.meant}'?`),
  }),
  "bad-setting": code<{ key: string; found: string; allowed: string }>({
    id: "SW522",
    severity: "error",
    exit: 3,
    message: (p) => `setting '${p.key}' is ${p.found}, allowed is ${p.allowed}`,
    help: (p) => `change '${p.key}', or remove it to let the compiler choose`,
  }),
  "setting-given-twice": code<{ key: string }>({
    id: "SW523",
    severity: "error",
    exit: 3,
    message: (p) => `setting '${p.key}' is given twice`,
    help: "keep one of the two",
  }),
  "unknown-activation": code<{ name: string; meant: string | undefined; known: readonly string[] }>({
    id: "SW524",
    severity: "error",
    exit: 3,
    message: (p) => `there is no activation '${p.name}' to choose for, known are ${p.known.join(", ")}`,
    help: (p) =>
      p.meant === undefined ? "polynomial activations need no choice" : `did you mean 'activation.${p.meant}'?`,
  }),
} as const;
