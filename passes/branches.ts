import type { Shape } from "../src/base/tensor.ts";
import { shapeAt } from "../src/ir/analysis.ts";
import type { Node, NodeId } from "../src/ir/graph.ts";
import { type Affine, affineOf, composed, perChannel } from "./affine.ts";
import { composedToward } from "./compose-toward.ts";
import type { FoldView } from "./fold.ts";
import { scaledOutputs, type Weights, weightsOf } from "./fold-affine.ts";
import { dirac, type Kernel, mergedKernel } from "./merge-branches.ts";
import type { Addend, SumTree } from "./sum-terms.ts";

/** A layer with weights, one of `kernel` and `matrix`, its sign and what was scaled after it in its numbers. */
export interface BranchLayer {
  readonly operand: NodeId;
  readonly kernel?: Kernel;
  readonly matrix?: Weights;
}

/** A value in a sum, traced back to where it comes from. */
export interface Term {
  readonly addend: Addend;
  /** The nodes between, which nothing else reads. */
  readonly chain: readonly Node[];
  /** What gives a merged layer its name. */
  readonly named: Node;
  readonly layer?: BranchLayer;
  /** Set where there is no layer: the value is `scale * x + shift`. */
  readonly affine?: Omit<Affine, "levels">;
}

/** Terms that became one layer, or a term that stays as it is. */
export interface Branch {
  readonly terms: readonly Term[];
  readonly layer?: BranchLayer;
}

export function isMerged({ terms }: Branch): boolean {
  return terms.length > 1;
}

/** Traces the addends of a sum back: through what scales them to the layer, or to the value that was scaled. */
export function termsOf(view: FoldView, { addends }: SumTree): readonly Term[] {
  const terms = addends.map((addend) => traced(view, addend));
  const keys = terms.map((t) => keyOf(view, t.layer?.operand ?? t.affine!.operand));
  return terms.map((term, i) => {
    const others = new Set(keys.filter((_, k) => k !== i));
    if (term.layer === undefined || others.has(keys[i]!)) return term;
    const composition = composedToward(view, term, (id) => others.has(keyOf(view, id)));
    return composition === undefined
      ? term
      : { ...term, layer: composition.layer, chain: [...term.chain, ...composition.chain] };
  });
}

function traced(view: FoldView, addend: Addend): Term {
  const size = shapeAt(view.at(addend.id)).reduce((n, d) => n * d, 1);
  const all = (value: number) => new Float64Array(size).fill(value);
  let affine: Omit<Affine, "levels"> = { operand: addend.id, scale: all(addend.negated ? -1 : 1), shift: all(0) };
  const chain: Node[] = [];
  const plain: Term = { addend, chain, named: view.at(addend.id), affine };
  let own = addend.own;
  for (let node = view.at(addend.id); own; node = view.at(affine.operand)) {
    const inner = affineOf(view, node);
    if (inner === undefined) {
      const layer = layerOf(view, node, affine);
      if (layer !== undefined) return { addend, chain: [...chain, node], named: node, layer };
      // A factor within a channel goes into no weights; what it is a factor of stays a value of the sum.
      return node.op === "conv2d" || node.op === "dense" ? { ...plain, chain: [] } : { ...plain, chain, affine };
    }
    affine = { ...composed({ ...affine, levels: 0 }, inner), operand: inner.operand };
    chain.push(node);
    own = view.ownOperand(node, node.inputs.indexOf(inner.operand)) !== undefined;
  }
  return { ...plain, chain, affine };
}

function layerOf(view: FoldView, node: Node, affine: Omit<Affine, "levels">): BranchLayer | undefined {
  if (node.op !== "conv2d" && node.op !== "dense") return undefined;
  const weights = scaledOutputs(node, weightsOf(view, node), affine);
  if (weights === undefined) return undefined;
  const operand = node.inputs[0]!;
  return node.op === "dense" ? { operand, matrix: weights } : { operand, kernel: { attrs: node.attrs, ...weights } };
}

/** The same for all values with the same elements in the same shape. */
function keyOf(view: FoldView, id: NodeId): string {
  let root = view.at(id);
  while ((root.op === "flatten" || root.op === "reshape") && root.annotations.length === 0)
    root = view.at(root.inputs[0]!);
  return `${root.id} ${shapeAt(view.at(id)).join()}`;
}

/** Merges terms of the same value where at least one of them is a layer. */
export function mergeBranches(view: FoldView, terms: readonly Term[], result: Shape): readonly Branch[] {
  const merged: Branch[] = [];
  const join = (term: Term): boolean => {
    const { layer } = term;
    const key = keyOf(view, layer?.operand ?? term.affine!.operand);
    for (const [i, branch] of merged.entries()) {
      if (keyOf(view, branch.layer!.operand) !== key) continue;
      const both =
        layer === undefined
          ? plusScaled(branch.layer!, term.affine!, result)
          : plusLayer(branch.layer!, layer, shapeAt(view.at(layer.operand)), result);
      if (both === undefined) continue;
      merged[i] = { terms: [...branch.terms, term], layer: both };
      return true;
    }
    return false;
  };
  for (const term of terms)
    if (term.layer !== undefined && !join(term)) merged.push({ terms: [term], layer: term.layer });
  const rest = terms.filter((t) => t.layer === undefined && !join(t));
  return [...merged, ...rest.map((t) => ({ terms: [t] }))];
}

function plusLayer(a: BranchLayer, b: BranchLayer, image: Shape, result: Shape): BranchLayer | undefined {
  if (a.kernel !== undefined && b.kernel !== undefined) {
    const kernel = mergedKernel(a.kernel, b.kernel, image, result);
    return kernel && { operand: a.operand, kernel };
  }
  if (a.matrix === undefined || b.matrix === undefined) return undefined;
  const { weight, bias } = b.matrix;
  return {
    operand: a.operand,
    matrix: {
      weight: { shape: weight.shape, data: a.matrix.weight.data.map((w, i) => w + weight.data[i]!) },
      bias: a.matrix.bias.map((v, o) => v + bias[o]!),
    },
  };
}

/** A layer plus its own operand, scaled. */
function plusScaled(
  layer: BranchLayer,
  { scale, shift }: Omit<Affine, "levels">,
  result: Shape,
): BranchLayer | undefined {
  const { operand, kernel, matrix } = layer;
  if (matrix !== undefined) {
    const data = matrix.weight.data.slice();
    for (let o = 0; o < scale.length; o++) data[o * (scale.length + 1)]! += scale[o]!;
    const bias = matrix.bias.map((v, o) => v + shift[o]!);
    return { operand, matrix: { weight: { shape: matrix.weight.shape, data }, bias } };
  }
  const [scales, shifts] = [scale, shift].map((v) => perChannel(v, result[0]!));
  if (scales === undefined || shifts === undefined) return undefined;
  const both = mergedKernel(kernel!, dirac(scales, shifts), result, result);
  return both && { operand, kernel: both };
}
