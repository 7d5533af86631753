import { fail, invariant } from "../base/diagnostic.ts";
import type { LinearMap } from "../base/linear-map.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import { type Graph, inputNodes, type NodeOf } from "../ir/graph.ts";
import type { AttrSpec, AttrsOf, AttrValue } from "../ops/attributes.ts";
import { opNamed } from "../ops/index.ts";
import type { NetworkOp, Operand } from "../ops/op.ts";
import { type LayerPlan, readLayerPlan } from "../packing/layer-plan.ts";
import { type Piece, place } from "../packing/place.ts";
import { type Spread, spread } from "../packing/positions.ts";
import { toSlots } from "../packing/slots.ts";
import { isSpectral, spectralLayer, spectralPieces, spectralWeights } from "../packing/spectral-weights.ts";
import { pieceWeights, placedWeights } from "../packing/weights.ts";
import { idle, parseLayout } from "../scheme/layout.ts";
import { constantSlots, type SlotVector } from "../scheme/slot-vector.ts";
import { type BlindedLayer, blinded, blindedMap } from "./blinded-map.ts";

/** The plaintext vectors of one linear layer, one number per slot. Computed when asked for, from the layer's weights. */
export interface LayerConstants {
  /** Weights for prepared ciphertext `from` rotated by `baby`, for the sum `to` that goes by `giant`. */
  weights(to: number, giant: number, from: number, baby: number): SlotVector;
  /** What is added to ciphertext `to` of the result; undefined when the layer adds nothing. */
  bias(to: number): SlotVector | undefined;
}

/**
 * Recreates a layer of an HE program from its node (design: plans hold recipes, a pure function turns them into slots), with
 * other weights in the same places where the values around it are blinded.
 */
export function layerConstants(graph: Graph, node: NodeOf<"he_layer">, blind?: BlindedLayer): LayerConstants {
  const constants = inputNodes(graph, node as never).map((n): Tensor => {
    invariant(n.op === "constant", `'${node.name}' takes constants`);
    return n.attrs.data;
  });
  const { op: opName, settings, operands: raw, from, to, plan: record, layer } = node.attrs;
  const op = opNamed(opName);
  const result = layoutNamed(to, layer);
  const slots = result.layout.slots;
  if (op === undefined || op.family !== "network")
    fail("layer-plan-invalid", "nowhere", { layer, reason: `no network op '${opName}'` });
  const operands = readOperands(raw, constants, layer);
  const attrs = readSettings(op, settings, layer);

  let known: { readonly index: ReadonlyMap<string, number>; weights(piece: number): SlotVector } | undefined;
  let biases: readonly SlotVector[] | undefined;
  const placed = () => {
    if (known !== undefined) return known;
    const clear = op.linear?.(operands, attrs as never);
    const plan = readLayerPlan(record);
    if (clear === undefined || plan === undefined)
      fail("layer-plan-invalid", "nowhere", { layer, reason: "it has no terms or no plan" });
    const weights = clear.coefficients(constants);
    const { map, coefficients } =
      blind === undefined ? { map: clear, coefficients: weights } : blindedMap(clear, weights, blind);
    const sources = from.map((l) => layoutNamed(l, layer));
    const products = productsOf(map, coefficients, sources, result, plan);
    if (typeof products === "string") return fail("layer-plan-invalid", "nowhere", { layer, reason: products });
    const index = new Map(products.pieces.map((p, i) => [`${p.to} ${p.giant} ${p.from} ${p.baby}`, i]));
    known = { index, weights: products.weights };
    return known;
  };
  return {
    weights(output, giant, input, baby) {
      const { index, weights } = placed();
      const piece = index.get(`${output} ${giant} ${input} ${baby}`);
      return piece === undefined ? constantSlots(0, slots) : weights(piece);
    },
    bias(output) {
      const clear = biasOf(op, operands, attrs, constants);
      if (clear === undefined) return undefined;
      const added = blinded(clear, blind?.result);
      if (result.layout.coefficients) {
        biases ??= toSlots({ shape: [added.length], data: added }, result.layout);
        return biases[output]!;
      }
      const plane = (p: number) =>
        Float64Array.from(result.elements.subarray(p * slots, (p + 1) * slots), (row) =>
          row === idle ? 0 : added[row]!,
        );
      return result.layout.complex ? { re: plane(2 * output), im: plane(2 * output + 1) } : { re: plane(output) };
    },
  };
}

/** The products of a layer, and what each multiplies by. */
function productsOf(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
): string | { readonly pieces: readonly Piece[]; weights(piece: number): SlotVector } {
  if (isSpectral(plan)) {
    const spectral = spectralLayer(map, coefficients, from, to, plan);
    if (typeof spectral === "string") return spectral;
    const [pieces, weights] = [spectralPieces(spectral), spectralWeights(spectral)];
    return { pieces, weights: (piece) => weights(pieces[piece]!) };
  }
  const placement = place(map, coefficients, from, to, plan);
  if (typeof placement === "string") return placement;
  const placed = placedWeights(placement, coefficients);
  return {
    pieces: placement.pieces,
    weights: (piece) => pieceWeights(placement, placed, from, to, plan, piece),
  };
}

/** What an op adds whatever its encrypted operands are, one number per row; undefined when nothing. */
export function biasOf(
  op: NetworkOp<AttrSpec>,
  operands: readonly Operand[],
  attrs: AttrsOf<AttrSpec>,
  constants: readonly Tensor[],
): Float64Array | undefined {
  const map = op.linear?.(operands, attrs);
  if (map !== undefined) return map.bias(constants);
  if (!operands.some((o) => o.constant)) return undefined;
  // A sum with a constant: its value where the encrypted operand is zero.
  let next = 0;
  const inputs = operands.map((o): Tensor => (o.constant ? constants[next++]! : zeros(o.shape)));
  return op.evaluate(inputs, attrs).data;
}

function zeros(shape: Shape): Tensor {
  return { shape, data: new Float64Array(elementCount(shape)) };
}

function layoutNamed(text: string, layer: string): Spread {
  const layout = parseLayout(text);
  if (layout === undefined) fail("layer-plan-invalid", "nowhere", { layer, reason: `'${text}' is no layout` });
  return spread(layout);
}

/** The operands of a layer as its op's rules see them. */
export function readOperands(raw: readonly AttrValue[], constants: readonly Tensor[], layer: string): Operand[] {
  let next = 0;
  return raw.map((entry, i): Operand => {
    if (entry === "constant" && constants[next] !== undefined)
      return { name: `${i}`, shape: constants[next++]!.shape, constant: true };
    if (Array.isArray(entry) && entry.every((d): d is number => Number.isSafeInteger(d) && d > 0))
      return { name: `${i}`, shape: entry, constant: false };
    return fail("layer-plan-invalid", "nowhere", { layer, reason: `operand ${i} is neither a shape nor a constant` });
  });
}

/** The attributes of a layer's op, defaults filled in. */
export function readSettings(
  op: NetworkOp<AttrSpec>,
  settings: { readonly [key: string]: AttrValue },
  layer: string,
): AttrsOf<AttrSpec> {
  return Object.fromEntries(
    Object.entries(op.attrs).map(([key, attr]) => {
      const raw = Object.hasOwn(settings, key) ? settings[key] : undefined;
      const value = raw === undefined ? attr.fallback?.value : attr.read(raw);
      if (value === undefined)
        fail("layer-plan-invalid", "nowhere", { layer, reason: `setting '${key}' is missing or not allowed` });
      return [key, value];
    }),
  );
}
