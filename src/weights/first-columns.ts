import { blockSizes, columnsOf, columnsShape, fromColumns, isBlockSize } from "../base/circulant.ts";
import { fail } from "../base/diagnostic.ts";
import { parseJson, printJson } from "../base/json.ts";
import { JsonCursor } from "../base/json-cursor.ts";
import { elementCount, lazyTensor, type Shape, sameShape, type Tensor } from "../base/tensor.ts";
import { declaredCount } from "./lazy-tensor.ts";

/**
 * Block-circulant weights in a safetensors file: only the first columns of their blocks are stored, as a tensor
 * `[O / b, I / b, b, ...taps]` of the weight's name. `__metadata__["sealwright.circulant"]` is a JSON object with the shape of
 * each such weight; the block is the third dimension of what is stored.
 */
export const circulantKey = "sealwright.circulant";

/** Weights that would be no smaller by this many numbers are stored as they are: an entry of the metadata is as long. */
const leastSaving = 64;

/** Tensors as they are to be stored, and the shapes of those that are stored as first columns. */
export interface Stored {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly shapes: ReadonlyMap<string, Shape>;
}

/** The first columns of every tensor that is block-circulant to the last bit, with the largest blocks it has. */
export function asColumns(tensors: ReadonlyMap<string, Tensor>): Stored {
  const shapes = new Map<string, Shape>();
  const stored = [...tensors].map(([name, weight]): [string, Tensor] => {
    const columns = shortest(weight);
    if (columns === undefined) return [name, weight];
    shapes.set(name, weight.shape);
    return [name, columns];
  });
  return { tensors: new Map(stored), shapes };
}

function shortest(weight: Tensor): Tensor | undefined {
  const { shape, fill } = weight;
  if (shape.length < 2 || fill !== undefined) return undefined;
  for (const block of blockSizes.toReversed()) {
    const shorter = columnsShape(shape, block);
    if (block === 1 || elementCount(shape) - elementCount(shorter) < leastSaving) continue;
    const data = columnsOf(weight, block);
    if (data !== undefined) return { shape: shorter, data };
  }
  return undefined;
}

/** The text of the metadata entry. */
export function printShapes(shapes: ReadonlyMap<string, Shape>): string {
  return printJson(new Map([...shapes].sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** The tensors of a file, those stored as first columns whole again. They are made when they are first asked for. */
export function withoutColumns(tensors: ReadonlyMap<string, Tensor>, text: string, path: string): Map<string, Tensor> {
  const json = new JsonCursor(parseJson(text, { path, part: circulantKey, limit: text.length, anyKey: true }), path);
  const whole = new Map(tensors);
  for (const name of json.map().keys()) {
    const cursor = json.field(name);
    const shape = cursor.list(2 ** 10).map((dim) => dim.integer(1, Number.MAX_SAFE_INTEGER));
    const stored = tensors.get(name);
    const block = stored?.shape[2];
    const isSound = declaredCount(shape) !== undefined && shape.length >= 2 && isBlockSize(block);
    if (stored === undefined || !isSound || !sameShape(stored.shape, columnsShape(shape, block))) {
      return fail("circulant-storage", cursor.place, { tensor: name, found: stored?.shape, shape });
    }
    whole.set(
      name,
      lazyTensor(shape, () => fromColumns(stored.data, shape, block)),
    );
  }
  return whole;
}
