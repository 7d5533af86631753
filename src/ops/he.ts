import { type Problem, problem } from "../base/diagnostic.ts";
import { bitsOfScale, canonicalScales, type Scheme, topLevel } from "../scheme/parameters.ts";
import { type Attr, attr } from "./attributes.ts";
import { defineHeOp, type InputSpec } from "./op.ts";
import { type CipherType, type PlainType, tensorType, type ValueType } from "./value-type.ts";

/** Scales in types are rounded to 1e-6 bits, so sums of two of them may differ by a few roundings. */
const scaleTolerance = 1e-5;

const cipher = (name: string): InputSpec => ({ name, doc: "a ciphertext", takes: "encrypted" });
const plain = (name: string): InputSpec => ({ name, doc: "a plaintext", takes: "constant" });
const level = attr.integer("level the plaintext is used at", [0, 255]);
const scale = attr.number("exact scale the numbers are multiplied by");
const part = (doc: string): Attr<number> => attr.integer(doc, [0, 65535], 0);

export const he_input = defineHeOp({
  doc: "One ciphertext of a model input, encrypted by the client.",
  inputs: [],
  attrs: {
    input: attr.text("name of the model input"),
    part: part("which of the input's ciphertexts"),
    level: attr.integer("level it is encrypted at", [0, 255]),
    shape: attr.integers("shape of the input", [1, 2 ** 31]),
    range: attr.numbers("smallest and largest value the client may send"),
    layout: attr.text("where the elements sit in the slots"),
  },
  type: (_, attrs, scheme) => atCanonical(attrs.level, scheme, "he_input"),
});

export const he_layer = defineHeOp({
  doc: "The weights of one linear layer, laid out for a plan; plaintexts are cut from it by he_encode.",
  inputs: [
    { name: "constants", doc: "the layer's constant operands", takes: "constant", variadic: true, optional: true },
  ],
  attrs: {
    layer: attr.text("name of the layer in the network"),
    op: attr.text("network op that says what the layer computes"),
    settings: attr.record("attributes of that op", {}),
    operands: attr.list('shape of each encrypted operand, or "constant" for the next constant one'),
    from: attr.texts("layouts of the encrypted operands"),
    to: attr.text("layout of the result"),
    plan: attr.record("baby steps, giant steps and folds"),
  },
  type: () => ({ kind: "layer" }),
});

export const he_encode = defineHeOp({
  doc: "The weights that one product of a layer needs: those that meet rotation `baby` of ciphertext `from` and go to ciphertext `to` by `giant`.",
  inputs: [{ name: "layer", doc: "a layer", takes: "constant" }],
  attrs: {
    to: part("ciphertext of the result"),
    giant: attr.integer("giant step", [-(2 ** 20), 2 ** 20]),
    from: part("ciphertext of the operands, counted through all of them"),
    baby: attr.integer("baby step", [-(2 ** 20), 2 ** 20]),
    level,
    scale,
  },
  type: (_, attrs, scheme) => encoded(attrs.level, attrs.scale, scheme, "he_encode"),
});

export const he_encode_bias = defineHeOp({
  doc: "The numbers a layer adds to one ciphertext of its result.",
  inputs: [{ name: "layer", doc: "a layer", takes: "constant" }],
  attrs: { to: part("ciphertext of the result"), level, scale },
  type: (_, attrs, scheme) => encoded(attrs.level, attrs.scale, scheme, "he_encode_bias"),
});

export const he_encode_constant = defineHeOp({
  doc: "One number in every slot.",
  inputs: [],
  attrs: { value: attr.number("the number"), level, scale },
  type: (_, attrs, scheme) => encoded(attrs.level, attrs.scale, scheme, "he_encode_constant"),
});

export const he_rotate = defineHeOp({
  doc: "Slot rotation to the left: slot j of the result is slot j + steps of the operand (SEAL rotate_vector; one Galois key switch).",
  inputs: [cipher("x")],
  attrs: { steps: attr.integer("slots to rotate by, not 0", [-(2 ** 20), 2 ** 20]) },
  type: ([x]) => whenCiphers("he_rotate", [x], ([a]) => (a!.size === 2 ? a! : needsSize2("he_rotate"))),
});

export const he_conjugate = defineHeOp({
  doc: "Complex conjugate of every slot (SEAL complex_conjugate; one Galois key switch, by the element 2N - 1).",
  inputs: [cipher("x")],
  attrs: {},
  type: ([x]) => whenCiphers("he_conjugate", [x], ([a]) => (a!.size === 2 ? a! : needsSize2("he_conjugate"))),
});

export const he_multiply_monomial = defineHeOp({
  doc: "Product with the monomial X^exponent: slot j is multiplied by the number zeta^(exponent * 3^j) of size 1, zeta = exp(2 pi i / 2N). Exact, and neither scale nor level changes.",
  inputs: [cipher("x")],
  attrs: { exponent: attr.integer("exponent, modulo 2N; N/2 multiplies slot j by i (-1)^j", [1, 2 ** 18]) },
  type: ([x]) => whenCiphers("he_multiply_monomial", [x], ([a]) => a!),
});

export const he_add = defineHeOp({
  doc: "Sum of two ciphertexts of the same level and scale.",
  inputs: [cipher("x"), cipher("y")],
  attrs: {},
  type: ([x, y]) => sum("he_add", x, y),
});

export const he_subtract = defineHeOp({
  doc: "Difference of two ciphertexts of the same level and scale.",
  inputs: [cipher("x"), cipher("y")],
  attrs: {},
  type: ([x, y]) => sum("he_subtract", x, y),
});

export const he_negate = defineHeOp({
  doc: "Negation of a ciphertext.",
  inputs: [cipher("x")],
  attrs: {},
  type: ([x]) => whenCiphers("he_negate", [x], ([a]) => a!),
});

export const he_mask = defineHeOp({
  doc: "Adds to each coefficient of a ciphertext that carries no element a random number, uniform modulo the prime of level 0, where the operand is, and drawn anew in each run: whoever decrypts learns nothing of them.",
  inputs: [cipher("x")],
  attrs: {
    layout: attr.text("the result's layout of coefficients: its elements stay"),
    part: part("which of the result's ciphertexts"),
  },
  type: ([x]) => whenCiphers("he_mask", [x], ([a]) => (a!.size === 2 ? a! : needsSize2("he_mask"))),
});

export const he_add_plain = defineHeOp({
  doc: "Sum of a ciphertext and a plaintext of the same level and scale.",
  inputs: [cipher("x"), plain("p")],
  attrs: {},
  type: ([x, p]) => withPlain("he_add_plain", x, p, (c, q) => sameScale("he_add_plain", c, q) ?? c),
});

export const he_multiply_plain = defineHeOp({
  doc: "Slot-wise product with a plaintext of the same level; scales multiply.",
  inputs: [cipher("x"), plain("p")],
  attrs: {},
  type: ([x, p], _, scheme) =>
    withPlain("he_multiply_plain", x, p, (c, q) => product("he_multiply_plain", c, q.scaleBits, c.size, scheme)),
});

export const he_multiply = defineHeOp({
  doc: "Slot-wise product of two ciphertexts of the same level; scales multiply and the result has three polynomials.",
  inputs: [cipher("x"), cipher("y")],
  attrs: {},
  type: ([x, y], _, scheme) =>
    whenCiphers("he_multiply", [x, y], ([a, b]) => {
      if (a!.size !== 2 || b!.size !== 2) return needsSize2("he_multiply");
      return sameLevel("he_multiply", a!, b!) ?? product("he_multiply", a!, b!.scaleBits, 3, scheme);
    }),
});

export const he_square = defineHeOp({
  doc: "Slot-wise square; the scale squares and the result has three polynomials.",
  inputs: [cipher("x")],
  attrs: {},
  type: ([x], _, scheme) =>
    whenCiphers("he_square", [x], ([a]) =>
      a!.size === 2 ? product("he_square", a!, a!.scaleBits, 3, scheme) : needsSize2("he_square"),
    ),
});

export const he_relinearize = defineHeOp({
  doc: "Brings a product back to two polynomials (one key switch).",
  inputs: [cipher("x")],
  attrs: {},
  type: ([x]) => whenCiphers("he_relinearize", [x], ([a]) => ({ ...a!, size: 2 })),
});

export const he_rescale = defineHeOp({
  doc: "Divides by the level's prime: one level and that many bits of scale less.",
  inputs: [cipher("x")],
  attrs: {},
  type: ([x], _, scheme) =>
    whenCiphers("he_rescale", [x], ([a]) => {
      if (a!.level === 0) return problem("no-level-left", { op: "he_rescale" });
      const bits = a!.scaleBits - Math.log2(Number(scheme.primes[a!.level]!));
      const canonical = bitsOfScale(canonicalScales(scheme)[a!.level - 1]!);
      const scaleBits = Math.abs(bits - canonical) < scaleTolerance ? canonical : Math.round(bits * 1e6) / 1e6;
      return { ...a!, level: a!.level - 1, scaleBits };
    }),
});

export const he_mod_switch = defineHeOp({
  doc: "Drops the level's prime without changing the scale; free of noise.",
  inputs: [cipher("x")],
  attrs: {},
  type: ([x]) =>
    whenCiphers("he_mod_switch", [x], ([a]) =>
      a!.level === 0 ? problem("no-level-left", { op: "he_mod_switch" }) : { ...a!, level: a!.level - 1 },
    ),
});

export const he_output = defineHeOp({
  doc: "A model output: the ciphertexts the client decrypts.",
  inputs: [{ name: "parts", doc: "its ciphertexts in order", takes: "encrypted", variadic: true }],
  attrs: {
    shape: attr.integers("shape of the output", [1, 2 ** 31]),
    layout: attr.text("which slots carry which element"),
  },
  type: (parts, attrs) => whenCiphers("he_output", parts, () => tensorType(attrs.shape)),
});

function atCanonical(at: number, scheme: Scheme, op: string): CipherType | Problem {
  if (at > topLevel(scheme)) return problem("level-out-of-chain", { op, level: at, top: topLevel(scheme) });
  return { kind: "cipher", level: at, scaleBits: bitsOfScale(canonicalScales(scheme)[at]!), size: 2 };
}

function encoded(at: number, exactScale: number, scheme: Scheme, op: string): PlainType | Problem {
  if (at > topLevel(scheme)) return problem("level-out-of-chain", { op, level: at, top: topLevel(scheme) });
  return { kind: "plain", level: at, scaleBits: bitsOfScale(exactScale) };
}

function whenCiphers(
  op: string,
  operands: readonly (ValueType | undefined)[],
  rule: (ciphers: readonly CipherType[]) => ValueType | Problem,
): ValueType | Problem {
  const ciphers = operands.filter((t) => t?.kind === "cipher");
  return ciphers.length === operands.length ? rule(ciphers) : problem("wrong-value-kind", { op, needed: "cipher" });
}

function withPlain(
  op: string,
  x: ValueType | undefined,
  p: ValueType | undefined,
  rule: (c: CipherType, p: PlainType) => ValueType | Problem,
): ValueType | Problem {
  if (x?.kind !== "cipher" || p?.kind !== "plain")
    return problem("wrong-value-kind", { op, needed: "cipher and plain" });
  return sameLevel(op, x, p) ?? rule(x, p);
}

function sum(op: string, x: ValueType | undefined, y: ValueType | undefined): ValueType | Problem {
  return whenCiphers(op, [x, y], ([a, b]) => {
    const larger = a!.size > b!.size ? a! : b!;
    return sameLevel(op, a!, b!) ?? sameScale(op, a!, b!) ?? { ...a!, size: larger.size };
  });
}

interface Leveled {
  readonly level: number;
  readonly scaleBits: number;
}

function sameLevel(op: string, a: Leveled, b: Leveled): Problem | undefined {
  return a.level === b.level ? undefined : problem("level-mismatch", { op, left: a.level, right: b.level });
}

function sameScale(op: string, a: Leveled, b: Leveled): Problem | undefined {
  const close = Math.abs(a.scaleBits - b.scaleBits) < scaleTolerance;
  return close ? undefined : problem("scale-mismatch", { op, left: a.scaleBits, right: b.scaleBits });
}

function needsSize2(op: string): Problem {
  return problem("needs-relinearization", { op });
}

function product(op: string, a: CipherType, otherBits: number, size: 2 | 3, scheme: Scheme): CipherType | Problem {
  const scaleBits = Math.round((a.scaleBits + otherBits) * 1e6) / 1e6;
  const modulusBits = scheme.primes.slice(0, a.level + 1).reduce((bits, q) => bits + Math.log2(Number(q)), 0);
  if (scaleBits >= modulusBits) return problem("scale-exceeds-modulus", { op, scaleBits, modulusBits });
  return { ...a, scaleBits, size };
}
