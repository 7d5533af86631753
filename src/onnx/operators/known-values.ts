import { alignedPair, pairAttributes } from "../aligned.ts";
import { integerResult } from "../integer-results.ts";
import { type ElementType, isReal } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Known } from "../value.ts";

const comparing = "comparing needs the values, and the server does not see encrypted ones";
const elsewhere =
  "work it out from values known when compiling, or end the network before it and leave it to the client";

/** Two operands of a comparison, of logic or of shape arithmetic, which must be known. */
function knownPair(name: string, of: (a: number, b: number) => number, type?: ElementType): Operator {
  return defineOperator({
    name,
    doc: "Of known values only.",
    encrypted: "folds",
    inputs: [2, 2],
    attributes: pairAttributes,
    convert: (node) => {
      const [a, b] = alignedPair(node);
      if (!a.known || !b.known) return node.refuse(comparing, elsewhere);
      const result = node.numbers(node.commonShape(a, b), [a, b], ([x, y]) => of(x!, y!));
      return [{ ...result, type: type ?? a.type }];
    },
  });
}

/** A function of known numbers that encrypted evaluation has no way for. */
function knownFunction(name: string, of: (x: number) => number, type?: ElementType): Operator {
  return defineOperator({
    name,
    doc: "Of known values only.",
    encrypted: "folds",
    inputs: [1, 1],
    attributes: { consumed_inputs: "ints" },
    convert: (node) => {
      const x = node.input(0);
      if (!x.known)
        return node.refuse("it is no polynomial of its operand, and there is no activation for it", elsewhere);
      const result = node.numbers(x.shape, [x], ([v]) => of(v!));
      return [{ ...result, type: type ?? x.type }];
    },
  });
}

const mod = defineOperator({
  name: "Mod",
  doc: "Remainder of known values.",
  encrypted: "folds",
  inputs: [2, 2],
  attributes: { fmod: "int" },
  convert: (node) => {
    const [a, b] = alignedPair(node);
    if (!a.known || !b.known) return node.refuse("the remainder is no sum or product of encrypted values", elsewhere);
    const likeDividend = node.int("fmod", 0) !== 0;
    if (isReal(a.type) && !likeDividend) node.badAttribute("fmod", "0", "1 for float elements");
    if (!isReal(a.type) && b.tensor.data.includes(0)) node.wrong("an element of the divisor is 0");
    const remainder = (x: number, y: number) => (likeDividend || x % y === 0 || x < 0 === y < 0 ? x % y : (x % y) + y);
    return [node.numbers(node.commonShape(a, b), [a, b], ([x, y]) => remainder(x!, y!))];
  },
});

const range = defineOperator({
  name: "Range",
  doc: "Known numbers at equal distances.",
  encrypted: "folds",
  inputs: [3, 3],
  attributes: {},
  convert: (node) => {
    const start = node.scalar(0, "the start");
    const limit = node.scalar(1, "the limit");
    const delta = node.scalar(2, "the distance");
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    if (!Number.isSafeInteger(count)) node.wrong(`a range from ${start} to ${limit} in steps of ${delta} has no end`);
    return [
      integerResult(
        node,
        node.number(node.input(0).type, [count], (i) => start + i * delta),
      ),
    ];
  },
});

const cumSum = defineOperator({
  name: "CumSum",
  doc: "Running sum of known values along an axis.",
  encrypted: "folds",
  inputs: [2, 2],
  attributes: { exclusive: "int", reverse: "int" },
  convert: (node) => {
    const x = node.known(0, "the value");
    const axis = node.axis(node.integer(1, "the axis"), x.shape.length);
    return [integerResult(node, runningSum(node, x, axis))];
  },
});

function runningSum(node: NodeContext, x: Known, axis: number): Known {
  const size = x.shape[axis]!;
  const step = x.shape.slice(axis + 1).reduce((product, s) => product * s, 1);
  const exclusive = node.int("exclusive", 0) !== 0;
  const reverse = node.int("reverse", 0) !== 0;
  const { data } = x.tensor;
  return node.number(x.type, x.shape, (i) => {
    const at = Math.floor(i / step) % size;
    const first = reverse ? at + (exclusive ? 1 : 0) : 0;
    const end = reverse ? size : at + (exclusive ? 0 : 1);
    let sum = 0;
    for (let k = first; k < end; k++) sum += data[i + (k - at) * step]!;
    return sum;
  });
}

/** Halves go to the even neighbour. */
function roundToEven(x: number): number {
  const rounded = Math.round(x);
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

const trigonometry: { readonly [name: string]: (x: number) => number } = {
  Sin: Math.sin,
  Cos: Math.cos,
  Tan: Math.tan,
  Asin: Math.asin,
  Acos: Math.acos,
  Atan: Math.atan,
  Sinh: Math.sinh,
  Cosh: Math.cosh,
  Asinh: Math.asinh,
  Acosh: Math.acosh,
  Atanh: Math.atanh,
};

const truth = (holds: boolean) => (holds ? 1 : 0);

export const knownValueOperators: readonly Operator[] = [
  knownPair("Equal", (a, b) => truth(a === b), "bool"),
  knownPair("Greater", (a, b) => truth(a > b), "bool"),
  knownPair("GreaterOrEqual", (a, b) => truth(a >= b), "bool"),
  knownPair("Less", (a, b) => truth(a < b), "bool"),
  knownPair("LessOrEqual", (a, b) => truth(a <= b), "bool"),
  knownPair("And", (a, b) => truth(a !== 0 && b !== 0), "bool"),
  knownPair("Or", (a, b) => truth(a !== 0 || b !== 0), "bool"),
  knownPair("Xor", (a, b) => truth((a !== 0) !== (b !== 0)), "bool"),
  knownFunction("Not", (x) => truth(x === 0), "bool"),
  knownFunction("IsNaN", (x) => truth(Number.isNaN(x)), "bool"),
  knownFunction("Floor", Math.floor),
  knownFunction("Ceil", Math.ceil),
  knownFunction("Round", roundToEven),
  knownFunction("Sign", Math.sign),
  ...Object.entries(trigonometry).map(([name, of]) => knownFunction(name, of)),
  mod,
  range,
  cumSum,
];
