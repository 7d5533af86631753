import { code } from "./code.ts";

const again = "compile the model again; a plan that was edited or damaged is never run";

/** SW7xx: plan files, client bundles, and what both sides check before any cryptography. */
export const planCodes = {
  "not-a-plan": code<{ needed: string; found: string }>({
    id: "SW701",
    severity: "error",
    exit: 3,
    message: (p) => `the file is no ${p.needed}: ${p.found}`,
    help: "make a plan with 'sealwright compile', a bundle of it with 'sealwright client-bundle'",
  }),
  "plan-version": code<{ what: string; found: number; reads: number; compiler: string | undefined }>({
    id: "SW702",
    severity: "error",
    exit: 4,
    message: (p) =>
      `the ${p.what} has format version ${p.found}${p.compiler === undefined ? "" : ` (made by sealwright ${p.compiler})`}, this program reads version ${p.reads}`,
    help: "compile the model again with this version of sealwright, or use the version that made the file",
  }),
  "plan-feature": code<{ what: string; features: readonly string[] }>({
    id: "SW703",
    severity: "error",
    exit: 4,
    message: (p) =>
      `the ${p.what} requires ${p.features.map((f) => `'${f}'`).join(", ")}, which this program does not know`,
    help: "use a newer version of sealwright",
  }),
  "plan-damaged": code<{ what: string; stated: string; computed: string }>({
    id: "SW704",
    severity: "error",
    exit: 3,
    message: (p) => `the content of the ${p.what} has checksum ${p.computed}, but it states ${p.stated}`,
    help: again,
  }),
  "plan-weights": code<{ reason: string }>({
    id: "SW705",
    severity: "error",
    exit: 3,
    message: (p) => `the weights of the plan do not belong to its programs: ${p.reason}`,
    help: again,
  }),
  "plan-text": code<{ reason: string }>({
    id: "SW706",
    severity: "error",
    exit: 3,
    message: (p) => `the packed text cannot be unpacked: ${p.reason}`,
    help: again,
  }),
  "plan-degree": code<{ degree: number; known: readonly number[] }>({
    id: "SW710",
    severity: "error",
    exit: 3,
    message: (p) => `the polynomial degree is ${p.degree}, allowed are ${p.known.join(", ")}`,
    help: again,
  }),
  "plan-prime": code<{ prime: bigint; reason: string }>({
    id: "SW711",
    severity: "error",
    exit: 3,
    message: (p) => `${p.prime} cannot be a prime of the scheme: ${p.reason}`,
    help: again,
  }),
  "plan-scale": code<{ level: number; scaleBits: number; modulusBits: number }>({
    id: "SW712",
    severity: "error",
    exit: 3,
    message: (p) =>
      `the scale of level ${p.level} is 2^${p.scaleBits.toFixed(1)}, allowed is more than 1 and less than the modulus 2^${p.modulusBits.toFixed(1)}`,
    help: again,
  }),
  "security-overstated": code<{ field: string; stated: string | number; actual: string | number }>({
    id: "SW713",
    severity: "error",
    exit: 6,
    message: (p) => `the plan states ${p.field} ${p.stated} for its security, its primes give ${p.actual}`,
    help: "do not use this plan: what it says about its security is not true",
  }),
  "plan-insecure": code<{ modulusBits: number; limitBits: number; table: string; degree: number }>({
    id: "SW714",
    severity: "error",
    exit: 6,
    message: (p) =>
      `the plan is INSECURE: ${p.modulusBits} bits of modulus, the ${p.table} allow ${p.limitBits} for degree ${p.degree} and the plan claims no security`,
    help: "compile without --insecure; for experiments with data that need no protection, give --insecure here, too",
  }),
  "plan-galois-steps": code<{ reason: string }>({
    id: "SW715",
    severity: "error",
    exit: 3,
    message: (p) => `the list of rotation keys is wrong: ${p.reason}`,
    help: again,
  }),
  "plan-port": code<{ port: string; reason: string }>({
    id: "SW716",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.port}' is described wrongly: ${p.reason}`,
    help: again,
  }),
  "plan-too-costly": code<{ what: string; found: number; limit: number }>({
    id: "SW717",
    severity: "error",
    exit: 5,
    message: (p) => `the plan declares ${p.found} ${p.what}, at most ${p.limit} are accepted`,
    help: "do not run this plan; compile a smaller model",
  }),
  "plan-program": code<{ reason: string }>({
    id: "SW718",
    severity: "error",
    exit: 3,
    message: (p) => `the program is not sound: ${p.reason}`,
    help: again,
  }),
  "plan-cost": code<{ what: string; stated: number; counted: number }>({
    id: "SW719",
    severity: "error",
    exit: 3,
    message: (p) => `the plan states ${p.stated} as its ${p.what}, its program has ${p.counted}`,
    help: again,
  }),
  "no-server-rounds": code<object>({
    id: "SW731",
    severity: "error",
    exit: 4,
    message: () => "the client computes all layers of the plan, so there is nothing to encrypt or send",
    help: "'sealwright run PLAN --machine float' computes it",
  }),
  "plan-id-mismatch": code<{ expected: string; found: string }>({
    id: "SW730",
    severity: "error",
    exit: 6,
    message: (p) => `this belongs to plan ${p.found}, not to plan ${p.expected}`,
    help: "client and server must use the same compilation: give both the plan and its client bundle of one run of 'compile'",
  }),
} as const;
