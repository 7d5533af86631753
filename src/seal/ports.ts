import { fail } from "../base/diagnostic.ts";
import { elementCount, sameShape, type Tensor } from "../base/tensor.ts";
import type { Tensors } from "../plan/machine.ts";
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

export interface InputOptions {
  /** Moves values outside the declared range to its ends instead of refusing them. NaN and infinities are refused always. */
  readonly clamp?: boolean;
}

/** Checks a model's inputs against its ports: names, shapes, finite numbers, declared ranges. Throws a SealwrightError. */
export function checkInputs(
  ports: readonly Port[],
  inputs: Tensors,
  { clamp = false }: InputOptions = {},
): Map<string, Tensor> {
  const known = ports.map((port) => port.name);
  for (const name of inputs.keys()) if (!known.includes(name)) fail("unknown-input", "nowhere", { name, known });
  return new Map(
    ports.map((port) => {
      const value = inputs.get(port.name);
      if (value === undefined) fail("missing-input", "nowhere", { name: port.name, given: [...inputs.keys()] });
      return [port.name, checkInput(port, value, clamp)];
    }),
  );
}

function checkInput({ name, shape, range }: Port, { shape: found, data }: Tensor, clamp: boolean): Tensor {
  if (!sameShape(found, shape) || data.length !== elementCount(shape)) {
    fail("input-shape", "nowhere", { name, found, elements: data.length, shape });
  }
  const infinite = data.findIndex((v) => !Number.isFinite(v));
  if (infinite >= 0) fail("input-not-finite", "nowhere", { name, element: infinite, found: data[infinite]! });
  const [low, high] = range;
  if (clamp) return { shape, data: data.map((v) => Math.min(high, Math.max(low, v))) };
  const outside = (v: number) => v < low || v > high;
  const element = data.findIndex(outside);
  if (element >= 0) {
    const count = data.reduce((n, v) => (outside(v) ? n + 1 : n), 0);
    fail("input-out-of-range", "nowhere", { name, element, found: data[element]!, range, count });
  }
  return { shape, data };
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
