import { CompilerBug, invariant } from "../base/diagnostic.ts";
import { DisjointSets } from "../base/disjoint-sets.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeId, type NodeOf, nodeAt } from "../ir/graph.ts";
import type { AttrSpec, AttrsOf } from "../ops/attributes.ts";
import { opNamed } from "../ops/index.ts";
import type { NetworkOp, Operand } from "../ops/op.ts";
import { preparedCount, readLayerPlan } from "../packing/layer-plan.ts";
import { idle, type Layout, layoutElements, parseLayout } from "../scheme/layout.ts";
import { readOperands, readSettings } from "./layer.ts";
import type { Plan } from "./plan.ts";

/**
 * One value inside an HE program, from the layers or inputs that make it to those that read it: all ciphertexts that are
 * combined slot by slot, without weights between.
 */
export interface Region {
  /** Elements of its largest member; the others are parts of that, or views. */
  readonly size: number;
  readonly members: readonly RegionMember[];
  /** Whether the program only adds its ciphertexts and multiplies them by known numbers: factors pass through that. */
  readonly isLinear: boolean;
  /** Whether its members agree about which slot holds which element. */
  readonly agrees: boolean;
}

export interface RegionMember {
  /** An input or output by the name of its value, or the result (-1) or an encrypted operand of the layer with such a node. */
  readonly of: { readonly port: string } | { readonly layer: NodeId; readonly operand: number };
  readonly shape: Shape;
  /** The region's element for each of its own. */
  readonly elements: Int32Array;
}

/** The operand that stands for a layer's result. */
export const layerResult = -1;

/** A layer of a program as its op sees it. */
export interface ProgramLayer {
  readonly node: NodeOf<"he_layer">;
  readonly op: NetworkOp<AttrSpec>;
  readonly attrs: AttrsOf<AttrSpec>;
  readonly operands: readonly Operand[];
  readonly constants: readonly Tensor[];
}

/** The layers of an HE program that was verified. */
export function layersOf(program: Graph): ProgramLayer[] {
  return program.nodes.flatMap((node) => {
    if (node.op !== "he_layer") return [];
    const op = opNamed(node.attrs.op);
    invariant(op?.family === "network", `'${node.attrs.op}' is a layer`);
    const constants = inputNodes(program, node as never).map((n) => (n as NodeOf<"constant">).attrs.data);
    const operands = readOperands(node.attrs.operands, constants, node.attrs.layer);
    return [{ node, op, attrs: readSettings(op, node.attrs.settings, node.attrs.layer), operands, constants }];
  });
}

/** The regions of an HE program that was verified. */
export function regionsOf({ program, inputs }: Pick<Plan, "program" | "inputs">): Region[] {
  // An input may be another sending of a value.
  const finder = new RegionFinder(program, new Map(inputs.map(({ name, of = name }) => [name, of])));
  for (const layer of layersOf(program)) finder.addLayer(layer);
  for (const node of program.nodes) finder.addNode(node);
  return finder.finish();
}

/** Joins what lies in one region: nodes by their ids, the operands of layers by numbers behind these. */
class RegionFinder {
  readonly #program: Graph;
  readonly #sets = new DisjointSets();
  /** Of each layer, the numbers of its operands by the ciphertexts that meet its weights. A layer's own id is its result. */
  readonly #prepared = new Map<NodeId, readonly number[]>();
  readonly #valueOfInput: ReadonlyMap<string, string>;
  readonly #inputs = new Map<string, NodeId>();
  readonly #outputNames: ReadonlyMap<NodeId, string>;
  readonly #laidOut: LaidOut[] = [];
  /** Members of regions that factors do not pass. */
  readonly #bent: number[] = [];

  constructor(program: Graph, valueOfInput: ReadonlyMap<string, string>) {
    this.#program = program;
    this.#valueOfInput = valueOfInput;
    this.#sets.add(program.nodes.length);
    this.#outputNames = new Map(program.outputs.map(({ name, node }) => [node, name]));
  }

  addLayer({ node, op, attrs, operands }: ProgramLayer): void {
    const { from, to, plan } = node.attrs;
    this.#place(node.id, { layer: node.id, operand: layerResult }, op.shape(operands, attrs) as Shape, to);
    const encrypted = operands.filter((operand) => !operand.constant);
    const first = this.#sets.add(encrypted.length);
    for (const [i, { shape }] of encrypted.entries())
      this.#place(first + i, { layer: node.id, operand: i }, shape, from[i]!);
    const plans = readLayerPlan(plan)?.operands ?? [];
    const counts = encrypted.map((_, i) => (plans[i] === undefined ? 0 : preparedCount(plans[i], layoutIn(from[i]!))));
    this.#prepared.set(
      node.id,
      counts.flatMap((count, i) => Array.from({ length: count }, () => first + i)),
    );
  }

  addNode(node: Node): void {
    for (const member of this.#joinedBy(node)) this.#sets.join(node.id, member);
  }

  /** What lies in one region with a node that comes before it. */
  #joinedBy(node: Node): readonly number[] {
    const [x, y] = node.inputs as readonly [NodeId, NodeId];
    switch (node.op) {
      case "he_input": {
        const { input, shape, layout } = node.attrs;
        const first = this.#inputs.get(input);
        if (first === undefined) this.#place(node.id, { port: this.#valueOfInput.get(input)! }, shape, layout);
        this.#inputs.set(input, node.id);
        return first === undefined ? [] : [first];
      }
      case "he_output":
        this.#place(node.id, { port: this.#outputNames.get(node.id)! }, node.attrs.shape, node.attrs.layout);
        return node.inputs;
      case "he_rotate":
      case "he_conjugate":
      case "he_multiply_monomial":
      case "he_negate":
      case "he_rescale":
      case "he_mod_switch":
      case "he_mask":
      case "he_relinearize":
      case "he_add":
      case "he_subtract":
        return node.inputs;
      case "he_square":
      case "he_multiply":
        this.#bent.push(node.id);
        return node.inputs;
      case "he_add_plain": {
        const plain = nodeAt(this.#program, y);
        if (plain.op === "he_encode_bias") return [x, plain.inputs[0]!];
        this.#bent.push(node.id);
        return [x];
      }
      case "he_multiply_plain":
        return this.#joinedByProduct(node, x, nodeAt(this.#program, y));
      case "constant":
      case "he_layer":
      case "he_encode":
      case "he_encode_bias":
      case "he_encode_constant":
        return [];
      default:
        throw new CompilerBug(`'${node.name}' = ${node.op}(...) has no place in an HE program`);
    }
  }

  #joinedByProduct(node: Node, x: NodeId, plain: Node): readonly number[] {
    if (plain.op === "he_encode") {
      const layer = plain.inputs[0]!;
      this.#sets.join(x, this.#prepared.get(layer)![plain.attrs.from]!);
      return [layer];
    }
    // A ciphertext times zero is no value of the operand any more.
    if (plain.op === "he_encode_constant" && plain.attrs.value === 0) return [];
    if (plain.op !== "he_encode_constant") this.#bent.push(node.id);
    return [x];
  }

  finish(): Region[] {
    const bent = new Set(this.#bent.map((member) => this.#sets.find(member)));
    const bySet = Map.groupBy(this.#laidOut, ({ member }) => this.#sets.find(member));
    return [...bySet].map(([set, members]) => regionOf(members, !bent.has(set)));
  }

  #place(member: number, of: RegionMember["of"], shape: Shape, layout: string): void {
    this.#laidOut.push({ member, of, shape, positions: layoutElements(layoutIn(layout)) });
  }
}

function layoutIn(text: string): Layout {
  const layout = parseLayout(text);
  invariant(layout !== undefined, `'${text}' is a layout`);
  return layout;
}

interface LaidOut {
  readonly member: number;
  readonly of: RegionMember["of"];
  readonly shape: Shape;
  /** The element at each position. */
  readonly positions: Int32Array;
}

function regionOf(members: readonly LaidOut[], isLinear: boolean): Region {
  const sizeOf = ({ shape }: LaidOut) => elementCount(shape);
  const largest = members.reduce((a, b) => (sizeOf(b) > sizeOf(a) ? b : a));
  let agrees = true;
  const seen = members.map((member): RegionMember => {
    const elements = new Int32Array(sizeOf(member)).fill(idle);
    for (const [p, own] of member.positions.entries()) {
      if (own === idle) continue;
      const element = largest.positions[p] ?? idle;
      if (element === idle || (elements[own] !== idle && elements[own] !== element)) agrees = false;
      elements[own] = element;
    }
    return { of: member.of, shape: member.shape, elements };
  });
  return { size: sizeOf(largest), members: seen, isLinear, agrees };
}
