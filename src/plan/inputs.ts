import { fail } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import { elementCount, sameShape, type Tensor } from "../base/tensor.ts";
import { inputsOf } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import type { Tensors } from "./machine.ts";
import type { ValuePort } from "./plan.ts";

export interface InputOptions {
  /** Moves values outside the declared range to its ends instead of refusing them. NaN and infinities are refused always. */
  readonly clamp?: boolean | undefined;
}

/** The inputs of a network as a client sees them. */
export function inputPorts(graph: Graph): ValuePort[] {
  return inputsOf(graph).map(({ name, attrs: { shape, range } }) => ({ name, shape, range: [range[0]!, range[1]!] }));
}

/** The ports whose values a user gives; the others are further sendings of these. */
export function givenPorts<P extends ValuePort>(ports: readonly P[]): P[] {
  return ports.filter((port) => port.of === undefined);
}

/**
 * Checks a model's inputs against its ports: names, shapes, finite numbers, declared ranges. Answers with a value for every port,
 * those that are further sendings among them. Throws a SealwrightError.
 */
export function checkInputs(
  ports: readonly ValuePort[],
  inputs: Tensors,
  options: InputOptions = {},
): Map<string, Tensor> {
  const { clamp = false } = ownOptions(options);
  const known = givenPorts(ports).map((port) => port.name);
  for (const name of inputs.keys()) if (!known.includes(name)) fail("unknown-input", "nowhere", { name, known });
  return new Map(
    ports.map((port) => {
      const name = port.of ?? port.name;
      const value = inputs.get(name);
      if (value === undefined) fail("missing-input", "nowhere", { name, given: [...inputs.keys()] });
      return [port.name, checkInput(port, value, clamp)];
    }),
  );
}

function checkInput({ name, shape, range }: ValuePort, { shape: found, data }: Tensor, clamp: boolean): Tensor {
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
