import { code } from "./code.ts";

/** Codes of `src/seal`: SW801 .. SW899. `what` is what the user gave, for instance "the evaluation keys". */
export const runCodes = {
  "no-container": code<{ what: string; reason: string }>({
    id: "SW801",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} cannot be read: ${p.reason}`,
    help: "give a file that 'sealwright keygen', 'encrypt' or 'evaluate' wrote",
  }),
  "container-version": code<{ what: string; version: number; known: number }>({
    id: "SW802",
    severity: "error",
    exit: 4,
    message: (p) => `${p.what} has format version ${p.version}, this sealwright reads version ${p.known}`,
    help: "use the sealwright that wrote the file, or make the file again with this one",
  }),
  "container-truncated": code<{ what: string; bytes: number; needed: number }>({
    id: "SW803",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} is cut short: it has ${p.bytes} bytes, needed are ${p.needed}`,
    help: "copy the whole file again",
  }),
  "container-trailing": code<{ what: string; bytes: number; needed: number }>({
    id: "SW804",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} goes on after its end: it has ${p.bytes} bytes, its header describes ${p.needed}`,
    help: "copy the file again; nothing may be appended to it",
  }),
  "container-damaged": code<{ what: string }>({
    id: "SW805",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} was changed after it was written: its SHA-256 does not match`,
    help: "copy the file again, or make it anew",
  }),
  "wrong-container": code<{ what: string; found: string; needed: string }>({
    id: "SW806",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} is expected to hold ${p.needed}, but holds ${p.found}`,
    help: "see 'sealwright help' for which command makes which file",
  }),
  "unwanted-secret-key": code<{ what: string; needed: string }>({
    id: "SW807",
    severity: "error",
    exit: 6,
    message: (p) => `${p.what} is expected to hold ${p.needed}, but holds a secret key; it was not used`,
    help: "the secret key never leaves the client; if it was sent to somebody, make new keys",
  }),
  "foreign-plan": code<{ what: string; found: string; needed: string }>({
    id: "SW808",
    severity: "error",
    exit: 6,
    message: (p) => `${p.what} belongs to plan ${p.found.slice(0, 16)}, this is plan ${p.needed.slice(0, 16)}`,
    help: "keys, ciphertexts and results belong to one plan; make them again with this one",
  }),
  "foreign-keys": code<{ what: string; found: string; needed: string }>({
    id: "SW809",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} was made with key ${p.found}, the evaluation keys are those of key ${p.needed}`,
    help: "use the evaluation keys that were made together with the secret key the inputs were encrypted with",
  }),
  "result-damaged": code<{ what: string }>({
    id: "SW810",
    severity: "error",
    exit: 7,
    message: (p) => `${p.what} was changed after the server wrote it: its SHA-256 does not match`,
    help: "ask the server for the result again; nothing was decrypted",
  }),
  "wrong-secret-key": code<{ what: string; found: string; needed: string }>({
    id: "SW811",
    severity: "error",
    exit: 7,
    message: (p) => `${p.what} is encrypted under key ${p.found}, the secret key is that of key ${p.needed}`,
    help: "decrypt with the secret key that encrypted the inputs",
  }),
  "sections-differ": code<{ what: string; found: string; needed: string }>({
    id: "SW812",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} has ${p.found}, the plan needs ${p.needed}`,
    help: "make the file again with this plan",
  }),
  "seal-object-invalid": code<{ what: string; part: string; field: string; found: string; allowed: string }>({
    id: "SW813",
    severity: "error",
    exit: 3,
    message: (p) =>
      `${p.what} is not what the plan declares: ${p.field} of ${p.part} is ${p.found}, allowed is ${p.allowed}`,
    help: "make the file again with sealwright and this plan",
  }),
  "missing-galois-keys": code<{ what: string; steps: readonly number[] }>({
    id: "SW814",
    severity: "error",
    exit: 3,
    message: (p) =>
      `${p.what} lacks the Galois key of ${p.steps.length === 1 ? "rotation step" : `${p.steps.length} rotation steps, among them`} ${p.steps
        .slice(0, 5)
        .map((step) => (step === 0 ? "0 (conjugation)" : step))
        .join(", ")}`,
    help: "make the keys again with 'sealwright keygen' and this plan",
  }),
  "no-secure-randomness": code<{ reason: string }>({
    id: "SW820",
    severity: "error",
    exit: 6,
    message: (p) => `keys and ciphertexts need secure randomness, but ${p.reason}`,
    help: "run on a platform whose 'crypto.getRandomValues' works; there is no fallback",
  }),
  "insecure-scheme": code<Record<never, never>>({
    id: "SW821",
    severity: "error",
    exit: 6,
    message: () => "the plan's parameters are insecure, and insecure plans are not allowed",
    help: "compile with a security level, or pass --insecure to run it for tests only",
  }),
  "scheme-refused": code<{ degree: number; primeBits: readonly number[]; security: number }>({
    id: "SW822",
    severity: "error",
    exit: 6,
    message: (p) =>
      `SEAL refuses the plan's parameters for ${p.security}-bit security: degree ${p.degree} with primes of ${p.primeBits.join(" + ")} = ${p.primeBits.reduce((a, b) => a + b, 0)} bits`,
    help: "compile the plan again; its primes must be distinct, 1 mod 2 * degree, and within SEAL's security table",
  }),
  "memory-limit": code<{ neededBytes: number; limitBytes: number; largest: string }>({
    id: "SW823",
    severity: "error",
    exit: 5,
    message: (p) =>
      `running the plan takes ${mebibytes(p.neededBytes)}, allowed are ${mebibytes(p.limitBytes)}; most of it are ${p.largest}`,
    help: (p) =>
      p.largest === "keys"
        ? "compile with a smaller 'max_keys' or 'max_memory', or with less precision so that a smaller degree does"
        : "compile with less precision so that a smaller degree does, or with a smaller 'max_memory'",
  }),
  "seal-error": code<{ where: string; type: string; text: string }>({
    id: "SW830",
    severity: "error",
    exit: 7,
    message: (p) => `SEAL failed at ${p.where}: ${p.text} (${p.type})`,
    help: "make keys and ciphertexts again with this plan; if it stays, report it together with the plan",
  }),
  "seal-instance-lost": code<{ where: string; reason: string }>({
    id: "SW831",
    severity: "error",
    exit: 7,
    message: (p) => `SEAL broke down at ${p.where} and cannot go on: ${p.reason}`,
    help: "start again; if it stays, check the memory with 'sealwright inspect'",
  }),
  "seal-stalled": code<{ doing: string; seconds: number }>({
    id: "SW832",
    severity: "error",
    exit: 7,
    message: (p) => `SEAL made no progress for ${p.seconds} s while ${p.doing}, and was stopped`,
    help: "check that the computer has memory and time to spare, and start again",
  }),
  "seal-unusable": code<{ reason: string }>({
    id: "SW833",
    severity: "error",
    exit: 7,
    message: (p) => `node-seal cannot be used: ${p.reason}`,
    help: "install exactly node-seal 7.0.0, on Node.js 22.18 or newer",
  }),
  "unknown-input": code<{ name: string; known: readonly string[] }>({
    id: "SW840",
    severity: "error",
    exit: 3,
    message: (p) => `the plan has no input '${p.name}', it has ${p.known.map((k) => `'${k}'`).join(", ")}`,
    help: "leave it out, or give it the name of an input",
  }),
  "input-shape": code<{ name: string; found: readonly number[]; elements: number; shape: readonly number[] }>({
    id: "SW841",
    severity: "error",
    exit: 3,
    message: (p) =>
      `input '${p.name}' has shape [${p.found.join(", ")}] and ${p.elements} numbers, needed is shape [${p.shape.join(", ")}]`,
    help: "give exactly one number for each element, in row-major order",
  }),
  "input-not-finite": code<{ name: string; element: number; found: number }>({
    id: "SW842",
    severity: "error",
    exit: 3,
    message: (p) => `element ${p.element} of input '${p.name}' is ${p.found}, allowed are finite numbers`,
    help: "replace missing and infinite values before encrypting",
  }),
  "input-out-of-range": code<{
    name: string;
    element: number;
    found: number;
    range: readonly [number, number];
    count: number;
  }>({
    id: "SW843",
    severity: "error",
    exit: 3,
    message: (p) =>
      `element ${p.element} of input '${p.name}' is ${p.found}${p.count > 1 ? ` (and ${p.count - 1} more)` : ""}, declared are ${p.range[0]} .. ${p.range[1]}`,
    help: "scale the data as the model was trained, widen the declared range, or pass --clamp",
  }),
  "constant-not-encodable": code<{ largest: number; level: number; limit: number }>({
    id: "SW844",
    severity: "error",
    exit: 3,
    message: (p) =>
      `a weight or bias of ${p.largest} is to be encoded at level ${p.level}, where less than ${p.limit.toPrecision(3)} fits`,
    help: "check the model's weights; NaN, infinite and huge numbers cannot be encoded",
  }),
  "result-not-trustworthy": code<{ name: string; found: number; limit: number }>({
    id: "SW850",
    severity: "error",
    exit: 7,
    message: (p) =>
      `output '${p.name}' decrypts to ${p.found.toPrecision(4)}, beyond ${p.limit.toPrecision(4)}, so it is not trustworthy`,
    help: "the result is damaged or foreign, or values overflowed: check the keys, and that the inputs are in the declared range",
  }),
  "message-out-of-turn": code<{ what: string; round: number; expected: number; rounds: number }>({
    id: "SW860",
    severity: "error",
    exit: 6,
    message: (p) =>
      `${p.what} is of round ${p.round}, ${p.expected > p.rounds ? `but all ${p.rounds} rounds were done` : `expected is that of round ${p.expected} of ${p.rounds}`}`,
    help: "no stage is computed twice or out of order with the same state; give the message that comes next, or begin again with 'sealwright encrypt' and a new state",
  }),
  "foreign-session": code<{ what: string; found: string; needed: string }>({
    id: "SW861",
    severity: "error",
    exit: 6,
    message: (p) => `${p.what} belongs to session ${p.found}, the state is that of session ${p.needed}`,
    help: "each 'sealwright encrypt' begins a session, which needs a state of its own on both sides",
  }),
  "message-without-turn": code<{ what: string }>({
    id: "SW862",
    severity: "error",
    exit: 3,
    message: (p) => `${p.what} does not say which session and round it belongs to`,
    help: "give a file that 'sealwright encrypt', 'evaluate' or 'step' wrote for a plan with client steps",
  }),
  "state-in-use": code<{ path: string; lock: string }>({
    id: "SW863",
    severity: "error",
    exit: 7,
    message: (p) => `another command is using the state '${p.path}'`,
    help: (p) => `wait until it is done; if none is running, one was killed: remove '${p.lock}' and try again`,
  }),
} as const;

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
