import { isProblem, type Problem } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import { GraphBuilder, type NodeDraft } from "../src/ir/builder.ts";
import type { Annotation, Graph, NodeId } from "../src/ir/graph.ts";
import type { AttrSpec } from "../src/ops/attributes.ts";
import { type NetworkOpName, type OpName, opNamed } from "../src/ops/index.ts";
import type { NetworkOp } from "../src/ops/op.ts";
import { randomFrom } from "./arbitrary.ts";

/** Attributes as a model file gives them, read and completed with defaults. */
export function attrsFor(op: OpName, given: { readonly [name: string]: unknown } = {}): object {
  const spec: AttrSpec = opNamed(op)!.attrs;
  return Object.fromEntries(
    Object.entries(spec).map(([name, attribute]) => {
      const value = name in given ? attribute.read(given[name] as never) : attribute.fallback?.value;
      if (value === undefined) throw new Error(`'${name}' of ${op} is not allowed or not given`);
      return [name, value];
    }),
  );
}

/** The reference value of a layer. */
export function evaluated(
  op: NetworkOpName,
  inputs: readonly Tensor[],
  attrs: { readonly [name: string]: unknown } = {},
): Tensor {
  return (opNamed(op) as NetworkOp<never>).evaluate(inputs, attrsFor(op, attrs) as never);
}

/** Builds small networks in tests, one line per layer. */
export class Net {
  readonly #out = new GraphBuilder("test");
  #seed = 1;

  input(shape: Shape, name = "x"): NodeId {
    return this.#out.add({ op: "input", inputs: [], attrs: { shape, range: [-1, 1] }, name, span: noSpan });
  }

  /** A constant of these numbers, or of random ones. */
  constant(shape: Shape, numbers?: readonly number[], name = "w"): NodeId {
    const random = randomFrom(this.#seed++);
    const data = Float64Array.from(numbers ?? Array.from({ length: elementCount(shape) }, () => random() * 2 - 1));
    return this.#out.add({ op: "constant", inputs: [], attrs: { data: { shape, data } }, name, span: noSpan });
  }

  try(
    op: NetworkOpName,
    inputs: readonly NodeId[],
    attrs: { readonly [name: string]: unknown } = {},
  ): NodeId | Problem {
    return this.#out.tryAdd({ op, inputs, attrs: attrsFor(op, attrs), name: op, span: noSpan } as NodeDraft<OpName>);
  }

  op(
    op: NetworkOpName,
    inputs: readonly NodeId[],
    attrs: { readonly [name: string]: unknown } = {},
    more: More = {},
  ): NodeId {
    const { name = op, annotations = [] } = more;
    const draft = { op, inputs, attrs: attrsFor(op, attrs), name, span: noSpan, annotations };
    const added = this.#out.tryAdd(draft as unknown as NodeDraft<OpName>);
    if (isProblem(added)) throw new Error(`${op}: ${added.problem} ${JSON.stringify(added.params)}`);
    return added;
  }

  graph(...outputs: readonly NodeId[]): Graph {
    for (const [i, id] of outputs.entries()) this.#out.output(i === 0 ? "y" : `y${i}`, id);
    return this.#out.build();
  }
}

interface More {
  readonly name?: string;
  readonly annotations?: readonly Annotation[];
}

/** Random numbers in -1 .. 1 for a shape. */
export function randomTensor(shape: Shape, seed = 7): Tensor {
  const random = randomFrom(seed);
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, () => random() * 2 - 1) };
}
