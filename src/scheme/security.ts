import { modulusOf, type Scheme } from "./parameters.ts";
import { bitLength } from "./primes.ts";

export const securityLevels = [128, 192, 256] as const;
export type SecurityLevel = (typeof securityLevels)[number];

/** What a plan promises about its parameters, and by which table. */
export interface SecurityClaim {
  /** 128, 192 or 256; 0 when the plan is insecure. */
  readonly bits: number;
  /** The stricter of the tables: "2024 guidelines" or "SEAL 4.1". */
  readonly table: string;
  /** Largest bit count of the product of all primes that the table allows for this degree and security; 0 where it lists none. */
  readonly limitBits: number;
  /** Bit count of the product of all primes, the special one included, as SEAL counts it. */
  readonly modulusBits: number;
}

type Limits = { readonly [degree: number]: readonly [number, number?, number?] };

/**
 * Largest bit count of all primes together, the special prime included, for 128, 192 and 256 bits against classical
 * attacks (ternary secret). SEAL refuses what exceeds its own table, which is that of the 2018 HE standard.
 */
const seal: Limits = {
  1024: [27, 19, 14],
  2048: [54, 37, 29],
  4096: [109, 75, 58],
  8192: [218, 152, 118],
  16384: [438, 305, 237],
  32768: [881, 611, 476],
};

/** Table 5.2 of "Security Guidelines for Implementing Homomorphic Encryption" (ia.cr/2024/463). */
const guidelines2024: Limits = {
  1024: [26],
  2048: [53, 36, 27],
  4096: [106, 73, 56],
  8192: [214, 147, 114],
  16384: [430, 297, 230],
  32768: [868, 597, 462],
};

export function isSecurityLevel(bits: number): bits is SecurityLevel {
  return (securityLevels as readonly number[]).includes(bits);
}

/** The stricter table's limit on all primes together. Undefined where one of the tables has no entry. */
export function modulusLimit(
  degree: number,
  security: number,
): { readonly bits: number; readonly table: string } | undefined {
  if (!isSecurityLevel(security)) return undefined;
  const column = securityLevels.indexOf(security);
  const [ours, newer] = [seal[degree]?.[column], guidelines2024[degree]?.[column]];
  if (ours === undefined || newer === undefined) return undefined;
  return newer <= ours ? { bits: newer, table: "2024 guidelines" } : { bits: ours, table: "SEAL 4.1" };
}

/** The highest security level at which both tables allow a modulus of this bit count; 0 where they allow none. */
export function securityOffered(degree: number, modulusBits: number): number {
  const holds = securityLevels.filter((s) => modulusBits <= (modulusLimit(degree, s)?.bits ?? 0));
  return holds.at(-1) ?? 0;
}

/** What the primes really offer. An insecure scheme is measured against the 128-bit limit it misses. */
export function securityClaim(scheme: Scheme): SecurityClaim {
  const modulusBits = bitLength(modulusOf(scheme));
  const offered = securityOffered(scheme.degree, modulusBits);
  const bits = Math.min(scheme.security, offered);
  const limit = modulusLimit(scheme.degree, bits === 0 ? 128 : bits);
  return { bits, table: limit?.table ?? "2024 guidelines", limitBits: limit?.bits ?? 0, modulusBits };
}
