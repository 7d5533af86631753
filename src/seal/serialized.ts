/**
 * The bytes of SEAL 4.1's serialized objects, without compression. Every byte that is not a coefficient or a seed follows
 * from the plan, so objects are compared with what they have to be before SEAL reads them: SEAL accepts altered scales
 * and forms in silence.
 */
import { fail } from "../base/diagnostic.ts";
import type { Scheme } from "../scheme/parameters.ts";
import { savedCiphertextBytes, savedPlaintextBytes, savedSeededCiphertextBytes } from "../scheme/sizes.ts";
import type { ParmsId } from "./context.ts";

/** What is wrong with an object, and where. */
export interface Misfit {
  readonly field: string;
  readonly found: string;
  readonly allowed: string;
}

/** What the plan declares of a ciphertext. */
export interface CiphertextForm {
  readonly parmsId: ParmsId;
  readonly degree: number;
  readonly primes: readonly bigint[];
  readonly scale: number;
  /** The second polynomial is replaced by the seed it was drawn from. */
  readonly seeded: boolean;
}

/** What a plaintext is to be, or a secret key, which SEAL saves like one. */
export type PlaintextForm = Omit<CiphertextForm, "seeded">;

type FieldKind = "bytes" | "byte" | "integer" | "float";
type Field = readonly [name: string, end: number, kind: FieldKind];

const ciphertextFields: readonly Field[] = [
  ["the SEAL header", 16, "bytes"],
  ["the parameters' id", 48, "bytes"],
  ["the NTT form flag", 49, "byte"],
  ["the number of polynomials", 57, "integer"],
  ["the degree", 65, "integer"],
  ["the number of primes", 73, "integer"],
  ["the scale", 81, "float"],
  ["the correction factor", 89, "integer"],
  ["the data header", 105, "bytes"],
  ["the data length", 113, "integer"],
];
const plaintextFields: readonly Field[] = [
  ["the SEAL header", 16, "bytes"],
  ["the parameters' id", 48, "bytes"],
  ["the number of coefficients", 56, "integer"],
  ["the scale", 64, "float"],
  ["the data header", 80, "bytes"],
  ["the data length", 88, "integer"],
];
const ciphertextHeader = 113;
/** Bytes before a plaintext's residues, which follow prime by prime, eight bytes each. */
export const plaintextHeader = 88;
/** Header and kind of the seed (1: BLAKE2xb); 64 random bytes follow. */
const seedHeader = Uint8Array.of(0x5e, 0xa1, 0x10, 4, 1, 0, 0, 0, 81, 0, 0, 0, 0, 0, 0, 0, 1);

/** Stops when an object is not what the plan declares. */
export function refuse(misfit: Misfit | undefined, what: string, part: string): void {
  if (misfit !== undefined) fail("seal-object-invalid", "nowhere", { what, part, ...misfit });
}

/** Bytes of a ciphertext of two polynomials as SEAL saves it. */
export function ciphertextLength({
  degree,
  primes,
  seeded,
}: Pick<CiphertextForm, "degree" | "primes" | "seeded">): number {
  return (seeded ? savedSeededCiphertextBytes : savedCiphertextBytes)(degree, primes.length);
}

/** Compares a serialized ciphertext with what the plan declares; undefined when SEAL can take it. */
export function ciphertextMisfit(bytes: Uint8Array, form: CiphertextForm): Misfit | undefined {
  const { degree, primes, seeded } = form;
  const length = ciphertextLength(form);
  const data = (seeded ? 1 : 2) * primes.length * degree * 8;
  const wrong = lengthMisfit(bytes, length) ?? headerMisfit(bytes, ciphertextTemplate(form), ciphertextFields);
  if (wrong !== undefined) return wrong;
  if (seeded) {
    const seed = bytes.subarray(ciphertextHeader + data);
    if (!startsWith(seed, seedHeader))
      return { field: "the seed's header", found: hex(seed.subarray(0, 17)), allowed: hex(seedHeader) };
    return coefficientMisfit(bytes, ciphertextHeader, form);
  }
  const second = ciphertextHeader + data / 2;
  return coefficientMisfit(bytes, ciphertextHeader, form) ?? coefficientMisfit(bytes, second, form);
}

/** Compares a serialized secret key, which SEAL saves like a plaintext over all primes. */
export function secretKeyMisfit(bytes: Uint8Array, form: Omit<PlaintextForm, "scale">): Misfit | undefined {
  const wrong =
    lengthMisfit(bytes, savedPlaintextBytes(form.degree, form.primes.length)) ??
    headerMisfit(bytes, plaintextTemplate({ ...form, scale: 1 }), plaintextFields);
  return wrong ?? coefficientMisfit(bytes, plaintextHeader, form);
}

/** A plaintext with the same number in every slot: one residue per prime, since that polynomial is a constant. */
export function constantPlaintext(multiple: bigint, form: PlaintextForm): Uint8Array {
  const { degree, primes } = form;
  const bytes = new Uint8Array(savedPlaintextBytes(degree, primes.length));
  bytes.set(plaintextTemplate(form));
  const residues = new BigUint64Array(primes.length * degree);
  for (const [i, prime] of primes.entries()) {
    residues.fill(((multiple % prime) + prime) % prime, i * degree, (i + 1) * degree);
  }
  bytes.set(new Uint8Array(residues.buffer), plaintextHeader);
  return bytes;
}

/** The keys a serialized set of relinearization or Galois keys must have: those of `indices`, in seeded form. */
export interface KeySetForm {
  readonly parmsId: ParmsId;
  readonly scheme: Scheme;
  /** How many keys the set has room for: 1 for relinearization keys, N for Galois keys. */
  readonly room: number;
  readonly indices: ReadonlySet<number>;
}

/** Walks through a key set without SEAL. A key that is not there is reported as such. */
export function keySetMisfit(bytes: Uint8Array, { parmsId, scheme, room, indices }: KeySetForm): Misfit | undefined {
  const digits = scheme.primes.length;
  const form: CiphertextForm = {
    parmsId,
    degree: scheme.degree,
    primes: [...scheme.primes, scheme.specialPrime],
    scale: 1,
    seeded: true,
  };
  const keyLength = ciphertextLength(form);
  const template = new Uint8Array(56);
  template.set(sealHeader(bytes.length));
  template.set(parmsId.bytes, 16);
  const view = new DataView(template.buffer);
  view.setBigUint64(48, BigInt(room), true);
  const fields: readonly Field[] = [
    ["the SEAL header", 16, "bytes"],
    ["the parameters' id", 48, "bytes"],
    ["the room for keys", 56, "integer"],
  ];
  const wrong =
    lengthMisfit(bytes, 56 + room * 8 + indices.size * digits * keyLength) ?? headerMisfit(bytes, template, fields);
  if (wrong !== undefined) return wrong;
  const read = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 56;
  for (let index = 0; index < room; index++) {
    const [found, allowed] = [read.getBigUint64(at, true), indices.has(index) ? digits : 0];
    if (found !== BigInt(allowed))
      return { field: `the digits of key ${index}`, found: `${found}`, allowed: `${allowed}` };
    at += 8;
    for (let digit = 0; digit < allowed; digit++, at += keyLength) {
      const misfit = ciphertextMisfit(bytes.subarray(at, at + keyLength), form);
      if (misfit !== undefined) return { ...misfit, field: `${misfit.field} in digit ${digit} of key ${index}` };
    }
  }
  return undefined;
}

/**
 * Where SEAL keeps the Galois key of a rotation by `steps`: by the power of X that it maps X to, `3^steps`. Step 0 stands for
 * the conjugation, which maps X to `X^(2N - 1)`.
 */
export function galoisIndex(steps: number, degree: number): number {
  if (steps === 0) return degree - 1;
  const slots = degree / 2;
  let element = 1;
  for (let s = ((steps % slots) + slots) % slots; s > 0; s--) element = (element * 3) % (2 * degree);
  return (element - 1) / 2;
}

function ciphertextTemplate({ parmsId, degree, primes, scale, seeded }: CiphertextForm): Uint8Array {
  const bytes = new Uint8Array(ciphertextHeader);
  const view = new DataView(bytes.buffer);
  const words = (seeded ? 1 : 2) * primes.length * degree;
  bytes.set(sealHeader(ciphertextLength({ degree, primes, seeded })));
  bytes.set(parmsId.bytes, 16);
  bytes[48] = 1;
  for (const [at, value] of [
    [49, 2],
    [57, degree],
    [65, primes.length],
    [81, 1],
    [105, words],
  ] as const) {
    view.setBigUint64(at, BigInt(value), true);
  }
  view.setFloat64(73, scale, true);
  bytes.set(sealHeader(24 + 8 * words), 89);
  return bytes;
}

/** What a serialized plaintext begins with. */
export function plaintextTemplate({ parmsId, degree, primes, scale }: PlaintextForm): Uint8Array {
  const bytes = new Uint8Array(plaintextHeader);
  const view = new DataView(bytes.buffer);
  const words = primes.length * degree;
  bytes.set(sealHeader(savedPlaintextBytes(degree, primes.length)));
  bytes.set(parmsId.bytes, 16);
  view.setBigUint64(48, BigInt(words), true);
  view.setFloat64(56, scale, true);
  bytes.set(sealHeader(24 + 8 * words), 64);
  view.setBigUint64(80, BigInt(words), true);
  return bytes;
}

/** Magic, header size, version 4.1, no compression, total size. */
function sealHeader(length: number): Uint8Array {
  const bytes = Uint8Array.of(0x5e, 0xa1, 0x10, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  new DataView(bytes.buffer).setBigUint64(8, BigInt(length), true);
  return bytes;
}

function lengthMisfit(bytes: Uint8Array, length: number): Misfit | undefined {
  if (bytes.length === length) return undefined;
  return { field: "the length", found: `${bytes.length} bytes`, allowed: `${length} bytes` };
}

function headerMisfit(bytes: Uint8Array, template: Uint8Array, fields: readonly Field[]): Misfit | undefined {
  if (startsWith(bytes, template)) return undefined;
  let start = 0;
  for (const [name, end, kind] of fields) {
    const [found, allowed] = [bytes.subarray(start, end), template.subarray(start, end)];
    if (!startsWith(found, allowed)) return { field: name, found: show(found, kind), allowed: show(allowed, kind) };
    start = end;
  }
  return undefined;
}

/** Checks that one polynomial's coefficients are residues: SEAL computes nonsense with others, or throws. */
function coefficientMisfit(
  bytes: Uint8Array,
  start: number,
  { degree, primes }: Pick<CiphertextForm, "degree" | "primes">,
): Misfit | undefined {
  // Halves of 32 bits: arrays of 64-bit integers are ten times slower to read.
  const words = new Uint32Array(bytes.slice(start, start + primes.length * degree * 8).buffer);
  for (const [i, prime] of primes.entries()) {
    const [low, high] = [Number(prime & 0xffffffffn), Number(prime >> 32n)];
    for (let at = 2 * i * degree, end = at + 2 * degree; at < end; at += 2) {
      const top = words[at + 1]!;
      if (top < high || (top === high && words[at]! < low)) continue;
      const found = (BigInt(top) << 32n) | BigInt(words[at]!);
      return { field: "a coefficient", found: `${found}`, allowed: `0 .. ${prime - 1n}` };
    }
  }
  return undefined;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);
}

function show(bytes: Uint8Array, kind: FieldKind): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (kind === "float") return `${view.getFloat64(0, true)}`;
  if (kind === "integer") return `${view.getBigUint64(0, true)}`;
  return kind === "byte" ? `${bytes[0]}` : hex(bytes);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
