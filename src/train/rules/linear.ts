import { invariant } from "../../base/diagnostic.ts";
import type { AttrSpec } from "../../ops/attributes.ts";
import { type NetworkOpName, opNamed } from "../../ops/index.ts";
import type { NetworkOp } from "../../ops/op.ts";
import type { BatchValue, Rule, TrainLayer } from "../value.ts";
import { addPerChannel } from "./dense.ts";

/** The terms of a linear layer: element `row` of the result is the sum of its terms from `starts[row]` to `starts[row + 1]`. */
interface Terms {
  readonly starts: Int32Array;
  readonly inputs: Int32Array;
  readonly columns: Int32Array;
  readonly coefficients: Int32Array;
}

/** What a linear layer learns. */
interface Learned {
  /** Its coefficients are the numbers of its first constant. */
  readonly weight?: boolean;
  /** Which operand is a summand per channel. */
  readonly bias?: number;
}

/** Any layer that is linear in its encrypted operands, by the terms that the op table states. Other constants do not learn. */
export function linear<K extends NetworkOpName>({ weight = false, bias }: Learned = {}): Rule<K> {
  return ({ node, inputs, output: y }) => {
    const encrypted = inputs.filter((value) => !value.constant);
    const learned = weight ? inputs.find((value) => value.constant) : undefined;
    const summand = bias === undefined ? undefined : inputs[bias];
    const { terms, factors, fixed } = termsOf(node, inputs, summand === undefined);
    const coefficients = () => learned?.values.data ?? factors;
    const perChannel = y.size / (y.shape[0] ?? 1);
    return {
      forward(samples) {
        const [to, by, from] = [y.values.data, coefficients(), encrypted.map((x) => x.values.data)];
        for (let i = 0; i < samples; i++) {
          for (let row = 0; row < y.size; row++) {
            let sum = fixed?.[row] ?? 0;
            if (summand !== undefined) sum = summand.values.data[Math.floor(row / perChannel)]!;
            for (let t = terms.starts[row]!; t < terms.starts[row + 1]!; t++) {
              const input = terms.inputs[t]!;
              sum += by[terms.coefficients[t]!]! * from[input]![i * encrypted[input]!.size + terms.columns[t]!]!;
            }
            to[i * y.size + row] = sum;
          }
        }
      },
      backward(samples) {
        const [slopes, by] = [y.slopes!.data, coefficients()];
        for (const [input, x] of encrypted.entries()) {
          const [from, back, weightSlopes] = [x.values.data, x.slopes?.data, learned?.slopes?.data];
          for (let i = 0; i < samples; i++) {
            for (let row = 0; row < y.size; row++) {
              const slope = slopes[i * y.size + row]!;
              for (let t = terms.starts[row]!; t < terms.starts[row + 1]!; t++) {
                if (terms.inputs[t] !== input) continue;
                const [at, k] = [i * x.size + terms.columns[t]!, terms.coefficients[t]!];
                if (back !== undefined) back[at]! += slope * by[k]!;
                if (weightSlopes !== undefined) weightSlopes[k]! += slope * from[at]!;
              }
            }
          }
        }
        if (summand?.slopes !== undefined) addPerChannel(slopes, summand.slopes.data, samples, perChannel);
      },
    };
  };
}

function termsOf(node: TrainLayer["node"], inputs: readonly BatchValue[], withBias: boolean) {
  const op = opNamed(node.op) as unknown as NetworkOp<AttrSpec>;
  const map = op.linear?.(inputs, node.attrs as never);
  invariant(map !== undefined, `'${node.name}' (${node.op}) is not linear`);
  const constants = inputs.flatMap(({ given }) => given ?? []);
  const starts = new Int32Array(map.outputSize + 1);
  const [of, columns, coefficients]: [number[], number[], number[]] = [[], [], []];
  for (let row = 0; row < map.outputSize; row++) {
    map.forRow(row, (input, column, coefficient) => {
      of.push(input);
      columns.push(column);
      coefficients.push(coefficient);
    });
    starts[row + 1] = columns.length;
  }
  const [inputOf, columnOf, coefficientOf] = [of, columns, coefficients].map((list) => Int32Array.from(list));
  const terms: Terms = { starts, inputs: inputOf!, columns: columnOf!, coefficients: coefficientOf! };
  return { terms, factors: map.coefficients(constants), fixed: withBias ? map.bias(constants) : undefined };
}
