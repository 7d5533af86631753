import { CompilerBug, invariant } from "../base/diagnostic.ts";
import { positionAt, type Span } from "../base/span.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "../ir/graph.ts";
import { shapeOf } from "../ops/value-type.ts";
import { normalStep } from "../packing/layer-plan.ts";
import { type CostOp, type CostTable, defaultCostTable } from "../scheme/cost-table.ts";
import { printLayout } from "../scheme/layout.ts";
import { type Scheme, topLevel } from "../scheme/parameters.ts";
import { galoisKeyBytes } from "../scheme/sizes.ts";
import { layerOfNode } from "./layer-names.ts";
import { cachedPlaintexts, peakMemory } from "./memory.ts";
import type { Cost, LayerCost, OpCounts } from "./plan.ts";
import { boundBits } from "./predict-error.ts";

export interface CostRequest {
  /** Says what the layers are, in their order. */
  readonly leveled: Graph;
  /** The HE program made from it; its nodes are named after the layers. */
  readonly program: Graph;
  readonly table?: CostTable;
  /** Bytes of plaintexts to keep between runs; what does not fit is encoded in each run. Unlimited when not given. */
  readonly plaintextBudget?: number;
  /** Bounds of absolute errors by layer, as `predictError` returns them. */
  readonly bounds?: ReadonlyMap<string, number>;
}

type Counts = { -readonly [K in keyof OpCounts]: number };

interface Tally extends Counts {
  milliseconds: number;
}

/** What a program will cost: operations, keys, memory and time, in total and by layer. */
export function measureCost(request: CostRequest): Cost {
  const { leveled, program, table = defaultCostTable, plaintextBudget = Number.POSITIVE_INFINITY } = request;
  const { scheme } = program;
  invariant(scheme !== undefined, "a program has a scheme");
  const layers = leveled.nodes.filter((node) => node.op !== "constant");
  const tallies = tally(
    program,
    scheme,
    table,
    plaintextBudget,
    [...layers, ...leveled.outputs].map((l) => l.name),
  );
  const keys = galoisSteps(program).length;
  const primes = topLevel(scheme) + 1;
  const bytes = keys * galoisKeyBytes(scheme.degree, primes);
  const time = (op: CostOp, count = primes) => table.milliseconds(op, scheme.degree, count);
  const counts = sumOf([...tallies.values()]);
  const relinKeys = counts.relinearizations > 0 ? 1 : 0;
  const { milliseconds, ...ops } = counts;
  return {
    totals: {
      ...ops,
      levels: rescaleDepth(program),
      galoisKeys: keys,
      galoisKeyBytes: bytes,
      inputCiphertexts: program.nodes.filter((node) => node.op === "he_input").length,
      outputCiphertexts: program.nodes.reduce(
        (sum, node) => sum + (node.op === "he_output" ? node.inputs.length : 0),
        0,
      ),
      clientRounds: 0,
      weightBytes: weightBytes(program),
    },
    estimate: {
      milliseconds: rounded(milliseconds),
      keygenMilliseconds: rounded(
        time("context", primes + 1) + keys * time("galoisKey") + relinKeys * time("relinKey"),
      ),
      peakBytes: peakMemory(program, scheme, { galoisKeys: keys, relinKeys, plaintextBudget }),
    },
    costTable: table.name,
    layers: layerCosts(leveled, tallies, request.bounds ?? new Map()),
  };
}

/**
 * Rotation steps a program needs Galois keys for, normalised to -N/4 + 1 .. N/4, ascending; 0 where it conjugates. A rotation
 * by a multiple of all slots has none: the verifier refuses it.
 */
export function galoisSteps(program: Graph): number[] {
  invariant(program.scheme !== undefined, "a program has a scheme");
  const slots = program.scheme.degree / 2;
  const steps = new Set<number>();
  for (const node of program.nodes) {
    if (node.op === "he_conjugate") steps.add(0);
    const step = node.op === "he_rotate" ? normalStep(node.attrs.steps, slots) : 0;
    if (step !== 0) steps.add(step);
  }
  return [...steps].sort((a, b) => a - b);
}

/** Counts and times by layer; every HE node must belong to one of the layers, inputs and outputs in `names`. */
function tally(program: Graph, scheme: Scheme, table: CostTable, plaintextBudget: number, names: readonly string[]) {
  const tallies = new Map(names.map((name): [string, Tally] => [name, noCost()]));
  const cached = cachedPlaintexts(program, scheme.degree, plaintextBudget);
  for (const node of program.nodes) {
    if (node.op === "constant") continue;
    const layer = tallies.get(layerOfNode(node.name)) ?? tallies.get(node.name);
    if (layer === undefined) throw new CompilerBug(`'${node.name}' belongs to no layer of '${program.name}'`);
    count(layer, node);
    const op = costOp[node.op];
    if (op === undefined || cached.has(node)) continue;
    layer.milliseconds += table.milliseconds(op, scheme.degree, levelOf(program, node) + 1);
  }
  return tallies;
}

const costOp: { readonly [K in Node["op"]]?: CostOp } = {
  he_encode: "encode",
  he_encode_bias: "encode",
  he_encode_constant: "encode",
  he_rotate: "rotate",
  he_conjugate: "conjugate",
  he_add: "add",
  he_subtract: "add",
  he_negate: "addPlain",
  he_add_plain: "addPlain",
  // Drawing and transforming two polynomials takes about as long as encoding.
  he_mask: "encode",
  he_multiply_plain: "multiplyPlain",
  he_multiply_monomial: "multiplyMonomial",
  he_multiply: "multiply",
  he_square: "square",
  he_relinearize: "relinearize",
  he_rescale: "rescale",
  he_mod_switch: "modSwitch",
};

function count(counts: Counts, node: Node): void {
  if (node.op === "he_rotate" || node.op === "he_conjugate") counts.rotations++;
  if (node.op === "he_conjugate") counts.conjugations++;
  if (node.op === "he_multiply_plain") counts.plainMultiplications++;
  if (node.op === "he_multiply_monomial") counts.monomialMultiplications++;
  if (node.op === "he_multiply" || node.op === "he_square") counts.cipherMultiplications++;
  if (node.op === "he_relinearize") counts.relinearizations++;
  if (node.op === "he_rescale") counts.rescales++;
}

/** The level an op works at: its operand's, for a rescale the one before. */
function levelOf(program: Graph, node: Node): number {
  const type = node.inputs.length > 0 && node.type.kind === "cipher" ? program.nodes[node.inputs[0]!]!.type : node.type;
  invariant("level" in type, `'${node.name}' has no level`);
  return type.level;
}

function layerCosts(
  leveled: Graph,
  tallies: ReadonlyMap<string, Tally>,
  bounds: ReadonlyMap<string, number>,
): LayerCost[] {
  /** A layer that computes nothing, such as `flatten`, passes its operands' errors on. */
  const known = new Map<NodeId, number>();
  const layers: LayerCost[] = [];
  for (const node of leveled.nodes) {
    if (node.op === "constant") continue;
    const operands = inputNodes(leveled, node).filter((n) => n.op !== "constant");
    const bound = bounds.get(node.name) ?? operands.reduce((most, n) => Math.max(most, known.get(n.id)!), 0);
    known.set(node.id, bound);
    const cost = tallies.get(node.name)!;
    if (node.op === "input" && Object.values(cost).every((c) => c === 0)) continue;
    const { type } = node;
    const levels = [...operands, node].flatMap((n) => ("level" in n.type ? [n.type.level] : []));
    layers.push({
      name: node.name,
      op: node.op,
      line: lineOf(node.span),
      shape: shapeOf(type) ?? [],
      layout: "layout" in type ? printLayout(type.layout) : "",
      ...cost,
      levelIn: Math.max(0, ...levels),
      levelOut: levels.at(-1) ?? 0,
      milliseconds: rounded(cost.milliseconds),
      boundBits: bound > 0 ? boundBits(bound) : 0,
    });
  }
  return layers;
}

/** Rescales on the deepest path. */
function rescaleDepth(program: Graph): number {
  const depths: number[] = [];
  for (const node of program.nodes) {
    const before = node.inputs.reduce((most, id) => Math.max(most, depths[id]!), 0);
    depths.push(before + (node.op === "he_rescale" ? 1 : 0));
  }
  return depths.reduce((most, d) => Math.max(most, d), 0);
}

/** Bytes of the weights as plans store them: single precision where that is exact. */
function weightBytes(program: Graph): number {
  return program.nodes.reduce((sum, node) => {
    if (node.op !== "constant") return sum;
    const { data } = node.attrs.data;
    return sum + data.length * (data.every((v) => Math.fround(v) === v) ? 4 : 8);
  }, 0);
}

function noCost(): Tally {
  return {
    rotations: 0,
    conjugations: 0,
    plainMultiplications: 0,
    monomialMultiplications: 0,
    cipherMultiplications: 0,
    relinearizations: 0,
    rescales: 0,
    milliseconds: 0,
  };
}

function sumOf(tallies: readonly Tally[]): Tally {
  const total = noCost();
  for (const each of tallies) for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += each[key];
  return total;
}

/** 0 for a layer that no file holds. */
function lineOf({ file, start }: Span): number {
  return file.text === "" ? 0 : positionAt(file, start).line;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
