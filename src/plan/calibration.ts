import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import type { Tensors } from "./machine.ts";
import { Random } from "./random.ts";

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
  // Where all ranges begin at 0, that end says nothing.
  const lowMatters = [...inputs.values()].some(({ range }) => range[0] !== 0);
  return draws.flatMap((draw, i) => {
    if (draw === low && !lowMatters) return [];
    const random = new Random(i + 1);
    return new Map(
      [...inputs].map(([name, { shape, range }]): [string, Tensor] => {
        const data = Float64Array.from({ length: elementCount(shape) }, () => draw(range[0], range[1], random));
        return [name, { shape, data }];
      }),
    );
  });
}

function declaredInputs(program: Graph): Map<string, DeclaredInput> {
  const inputs = new Map<string, DeclaredInput>();
  for (const node of program.nodes) {
    if (node.op !== "he_input" && node.op !== "input") continue;
    const { shape, range } = node.attrs;
    inputs.set(node.op === "input" ? node.name : node.attrs.input, { shape, range: [range[0] ?? -1, range[1] ?? 1] });
  }
  return inputs;
}
