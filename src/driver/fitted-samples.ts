import { evaluateAll } from "../ir/evaluate.ts";
import { fitAt, operandOfFit } from "../ir/fits.ts";
import type { Graph, NodeId } from "../ir/graph.ts";
import type { Tensors } from "../plan/machine.ts";

/** A fitted activation's operand, and the values it was fitted for. */
interface FittedOperand {
  readonly operand: NodeId;
  readonly range: readonly [low: number, high: number];
}

/** What each fitted activation of a network is given. */
function fittedOperands(graph: Graph): FittedOperand[] {
  return graph.nodes.flatMap((node) => {
    const fit = fitAt(node);
    return fit === undefined ? [] : [{ operand: operandOfFit(graph, node), range: fit.range }];
  });
}

/** Shares of the way from a center to a sample, the whole way first. */
const shares = [1, 0.75, 0.5, 0.25, 0.125, 0.0625];

/** Shares of the way from the low to the high ends of the inputs' ranges: black images first, which most networks know. */
const centers = [0, 0.5, 1, 0.25];

/**
 * Samples moved towards a plain input until every fitted activation is given what it was fitted for: where polynomials go
 * astray, a network's errors and values say nothing about those it will have. The samples as they are where nothing was fitted
 * or no plain input will do.
 */
export function samplesWithin(fitted: Graph, samples: readonly Tensors[]): readonly Tensors[] {
  const operands = fittedOperands(fitted);
  const [first] = samples;
  if (operands.length === 0 || first === undefined) return samples;
  const isWithin = (inputs: Tensors) => {
    const values = evaluateAll(fitted, inputs);
    return operands.every(({ operand, range: [low, high] }) =>
      values.get(operand)!.data.every((v) => v >= low && v <= high),
    );
  };
  const center = centers.map((share) => plainInput(fitted, share)).find(isWithin);
  if (center === undefined) return samples;
  return samples.map((sample) => {
    for (const share of shares) {
      const moved = between(center, sample, share);
      if (isWithin(moved)) return moved;
    }
    return center;
  });
}

/** All elements of all inputs at the same share of their ranges. */
function plainInput(graph: Graph, share: number): Tensors {
  const inputs = graph.nodes.filter((node) => node.op === "input");
  return new Map(
    inputs.map(({ name, attrs: { shape, range } }) => {
      const [low, high] = range as [number, number];
      const size = shape.reduce((product, d) => product * d, 1);
      return [name, { shape, data: new Float64Array(size).fill(low + share * (high - low)) }];
    }),
  );
}

function between(from: Tensors, to: Tensors, share: number): Tensors {
  if (share === 1) return to;
  return new Map(
    [...to].map(([name, { shape, data }]) => {
      const start = from.get(name)!.data;
      return [name, { shape, data: data.map((v, i) => start[i]! + share * (v - start[i]!)) }];
    }),
  );
}
