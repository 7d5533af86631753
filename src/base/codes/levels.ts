import { code } from "./code.ts";

/** SW3xx: levels and scales. */
export const levelCodes = {
  "level-mismatch": code<{ op: string; left: number; right: number }>({
    id: "SW301",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' needs operands of one level, got levels ${p.left} and ${p.right}`,
    help: "bring the higher one down with he_mod_switch or he_rescale",
  }),
  "scale-mismatch": code<{ op: string; left: number; right: number }>({
    id: "SW302",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' needs operands of one scale, got 2^${p.left} and 2^${p.right}`,
    help: "encode the plaintext at the ciphertext's scale, or rescale both to the canonical scale of their level",
  }),
  "no-level-left": code<{ op: string }>({
    id: "SW303",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' needs a level to spend, but its operand is at level 0`,
    help: "start from a longer chain of primes",
  }),
  "level-out-of-chain": code<{ op: string; level: number; top: number }>({
    id: "SW304",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' is at level ${p.level}, but the chain ends at level ${p.top}`,
    help: "use a level the scheme has",
  }),
  "scale-exceeds-modulus": code<{ op: string; scaleBits: number; modulusBits: number }>({
    id: "SW305",
    severity: "error",
    exit: 3,
    message: (p) =>
      `the result of '${p.op}' has scale 2^${p.scaleBits}, but the modulus left is 2^${p.modulusBits.toFixed(1)}`,
    help: "rescale before multiplying again",
  }),
  "needs-relinearization": code<{ op: string }>({
    id: "SW306",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' needs operands of two polynomials, got a product that was not relinearized`,
    help: "put he_relinearize between the product and this",
  }),
  "wrong-value-kind": code<{ op: string; needed: string }>({
    id: "SW307",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' needs operands of kind ${p.needed}`,
    help: "layers of a network take tensors; HE ops take what he_input, he_encode and other HE ops produce",
  }),
} as const;
