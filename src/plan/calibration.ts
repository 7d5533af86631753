import { Random } from "../base/random.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { sendingOf } from "../ir/sendings.ts";
import type { Tensors } from "./machine.ts";

/** An input as the nodes of a network or an HE program describe it. */
interface DeclaredInput {
  readonly shape: Shape;
  readonly range: readonly [number, number];
}

/** How an element of a sample is drawn from its declared range. */
type Draw = (low: number, high: number, random: Random) => number;

const low: Draw = (low) => low;
const high: Draw = (_, high) => high;
const between: Draw = (low, high, random) => low + (high - low) * random.uniform();
const eitherEnd: Draw = (low, high, random) => (random.uniform() < 0.5 ? low : high);
const draws = [between, eitherEnd, high, low];

/** Inputs that a network or program is tried on before anybody sends one: inside the declared ranges and at their ends, always the same. */
export function calibrationSamples(program: Graph): Tensors[] {
  const inputs = declaredInputs(program);
  return draws.flatMap((draw, i) => {
    if (draw === low && !lowMatters(inputs)) return [];
    const random = new Random(i + 1);
    return filled(inputs, (_, __, [lowest, highest]) => draw(lowest, highest, random));
  });
}

/** How many equal parts of an input are at the upper end of its range in turn, the rest being at the lower end. */
const partings = [2, 4, 8];

/**
 * Inputs that differ as images do, in connected parts: where a network answers to shapes, such inputs make far larger values
 * than those whose elements are drawn one by one.
 */
export function shapedSamples(program: Graph): Tensors[] {
  const inputs = declaredInputs(program);
  return partings.flatMap((parts) =>
    Array.from({ length: parts }, (_, part) =>
      filled(inputs, (at, count, [lowest, highest]) => (Math.floor((at * parts) / count) === part ? highest : lowest)),
    ),
  );
}

/** Where all ranges begin at 0, that end says nothing. */
function lowMatters(inputs: ReadonlyMap<string, DeclaredInput>): boolean {
  return [...inputs.values()].some(({ range }) => range[0] !== 0);
}

function filled(
  inputs: ReadonlyMap<string, DeclaredInput>,
  value: (at: number, count: number, range: readonly [number, number]) => number,
): Tensors {
  return new Map(
    [...inputs].map(([name, { shape, range }]): [string, Tensor] => {
      const count = elementCount(shape);
      return [name, { shape, data: Float64Array.from({ length: count }, (_, at) => value(at, count, range)) }];
    }),
  );
}

function declaredInputs(program: Graph): Map<string, DeclaredInput> {
  const inputs = new Map<string, DeclaredInput>();
  for (const node of program.nodes) {
    if (node.op !== "he_input" && node.op !== "input") continue;
    const { shape, range } = node.attrs;
    // Further sendings of an input have its value.
    const name = sendingOf(node) ?? (node.op === "input" ? node.name : node.attrs.input);
    inputs.set(name, { shape, range: [range[0] ?? -1, range[1] ?? 1] });
  }
  return inputs;
}
