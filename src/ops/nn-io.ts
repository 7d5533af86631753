import { CompilerBug, problem } from "../base/diagnostic.ts";
import { elementCount } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { defineOp } from "./op.ts";
import { sized } from "./shapes.ts";

export const input = defineOp({
  doc: "A tensor the client encrypts. `range` is a promise: values outside it are refused before they are encrypted, because activations and error bounds are made for it.",
  example: "input image: [1, 28, 28] in 0 .. 1",
  inputs: [],
  attrs: {
    shape: attr.integers("sizes of the dimensions, outermost first; there is no batch dimension", [1, 2 ** 31 - 1]),
    range: attr.numbers("smallest and largest value the client may send", [-1, 1]),
  },
  shape: (_, { shape, range }) => {
    const [low, high] = range;
    const fits = range.length === 2 && range.every(Number.isFinite) && low! < high!;
    if (!fits) {
      const found = `[${range.join(", ")}]`;
      return problem("bad-attribute", {
        op: "input",
        attribute: "range",
        found,
        allowed: "two numbers, the smaller first",
      });
    }
    return sized("input", shape);
  },
  depth: () => 0,
  evaluate: () => {
    throw new CompilerBug("an input has no value of its own");
  },
});

export const constant = defineOp({
  doc: "Numbers known when compiling: a weight, a bias, a table. They stay on the server and are never encrypted.",
  example: "fc1.weight = constant(data = @fc1.weight)",
  inputs: [],
  attrs: { data: attr.tensor("the numbers; the tensor's shape is the constant's shape") },
  shape: (_, { data: { shape, data } }) => {
    if (data.length !== elementCount(shape)) {
      return problem("data-length", { op: "constant", found: data.length, shape });
    }
    if (allFinite(data)) return sized("constant", shape);
    const at = data.findIndex((v) => !Number.isFinite(v));
    return problem("not-finite", { op: "constant", index: at, value: `${data[at]}` });
  },
  depth: () => 0,
  evaluate: (_, { data }) => data,
});

/** Every graph a pass builds asks this of all weights, so it must cost next to nothing: infinities and NaN make the sum NaN. */
function allFinite(data: Float64Array): boolean {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]! * 0;
  return sum === 0;
}
