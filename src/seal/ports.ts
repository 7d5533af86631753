import type { Port } from "../plan/plan.ts";
import { canonicalScales, levelModuli, type Scheme } from "../scheme/parameters.ts";

/** One ciphertext of a port. */
export interface Part {
  readonly port: Port;
  readonly part: number;
  /** Its section in a container. */
  readonly section: string;
}

/** The ciphertexts of ports, in the order of containers. */
export function partsOf(ports: readonly Port[]): Part[] {
  return ports.flatMap((port) =>
    Array.from({ length: port.layout.ciphertexts }, (_, part) => ({ port, part, section: sectionOf(port.name, part) })),
  );
}

export function sectionOf(port: string, part: number): string {
  return `${port}/${part}`;
}

/** Outputs may exceed what was seen when the plan was made, but not by this factor. */
const rangeMargin = 1024;

/** The largest value an output element can have: what the modulus holds, and not far beyond what calibration saw. */
export function largestOutput({ level, range }: Pick<Port, "level" | "range">, scheme: Scheme): number {
  return Math.min(modulusRatio(level, scheme) / 2, rangeMargin * Math.max(1, Math.abs(range[0]), Math.abs(range[1])));
}

/**
 * The largest root mean square that slots can have. What a wrong key decrypts, or what overflowed, has coefficients all over
 * the modulus, which makes `sqrt(N / 24)` of it in every slot; a sound result stays far below, even in its idle slots.
 */
export function largestRms(level: number, scheme: Scheme): number {
  return (Math.sqrt(scheme.degree / 24) * modulusRatio(level, scheme)) / 4;
}

function modulusRatio(level: number, scheme: Scheme): number {
  return levelModuli(scheme)[level]! / canonicalScales(scheme)[level]!;
}
