import { fail, type Place } from "../base/diagnostic.ts";
import { elementCount, type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import { layerName } from "../onnx/index.ts";
import type { Tensors } from "../plan/machine.ts";
import type { ValuePort } from "../plan/plan.ts";

/** One value of every input. */
export interface Sample {
  readonly inputs: Tensors;
  /** Where it comes from, for messages. */
  readonly place?: Place;
}

/** The samples in the arrays of one file, in order, and how many there are. */
export interface SampleFile {
  readonly count: number;
  readonly samples: Iterable<Sample>;
}

/**
 * Deals arrays out to the inputs of a network: by name, or the only array to the only input. An array holds one value, or
 * several behind one another: its shape is that of the input behind one more dimension, where leading sizes of 1 on either side
 * do not count ([50, 1, 28, 28] and [50, 28, 28] are 50 images of shape [1, 1, 28, 28]).
 */
export function samplesIn(ports: readonly ValuePort[], arrays: Tensors, path: string): SampleFile {
  const place = { path };
  const counts = ports.map((port) => {
    const array =
      arrayOf(port, ports, arrays) ??
      fail("sample-arrays", place, { inputs: ports.map((p) => p.name), found: [...arrays.keys()] });
    const count = sampleCount(array.shape, port.shape);
    if (count === undefined) fail("sample-shape", place, { input: port.name, found: array.shape, shape: port.shape });
    return { port, array, count };
  });
  const [first] = counts;
  if (first === undefined) return { count: 0, samples: [] };
  const other = counts.find((c) => c.count !== first.count);
  if (other !== undefined)
    fail("sample-counts", place, {
      first: first.port.name,
      count: first.count,
      second: other.port.name,
      other: other.count,
    });
  function* samples(): Generator<Sample> {
    for (let i = 0; i < first!.count; i++) {
      const inputs = counts.map(({ port: { name, shape }, array: { data } }) => {
        const size = elementCount(shape);
        return [name, { shape, data: data.subarray(i * size, (i + 1) * size) }] as const;
      });
      yield { inputs: new Map(inputs), place: { path, part: `sample ${i + 1}` } };
    }
  }
  return { count: first.count, samples: samples() };
}

function arrayOf({ name }: ValuePort, ports: readonly ValuePort[], arrays: Tensors): Tensor | undefined {
  // An input of an ONNX model may be called as it is there or as the network calls it.
  const named = arrays.get(name) ?? [...arrays].find(([key]) => layerName(key) === name)?.[1];
  return named ?? (ports.length === 1 && arrays.size === 1 ? [...arrays.values()][0] : undefined);
}

/** How many values of a shape an array of another shape holds; undefined where it is not made of such values. */
export function sampleCount(found: Shape, shape: Shape): number | undefined {
  const firstLarge = shape.findIndex((size) => size !== 1);
  const core = firstLarge < 0 ? [] : shape.slice(firstLarge);
  const leading = found.slice(0, Math.max(0, found.length - core.length));
  const fits = sameShape(found.slice(leading.length), core) && leading.filter((size) => size !== 1).length <= 1;
  return fits ? elementCount(leading) : undefined;
}
