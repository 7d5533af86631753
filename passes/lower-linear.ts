import type { Node, NodeId } from "../src/ir/graph.ts";
import { mixingFolds, normalStep, preparedCount, summedCount, takesRealPart } from "../src/packing/layer-plan.ts";
import type { Piece } from "../src/packing/place.ts";
import { treeOver } from "../src/packing/steps.ts";
import type { Layout } from "../src/scheme/layout.ts";
import { type HeEmitter, named } from "./he-emitter.ts";
import { babiesOf, giantsOf, type PlannedNode } from "./planned-layers.ts";
import type { PreparedValues } from "./prepared-values.ts";

/** What a linear layer is lowered from. */
export interface LinearLowering {
  readonly node: Node;
  readonly planned: PlannedNode;
  /** The he_layer node its weights are cut from. */
  readonly layer: NodeId;
  /** The ciphertexts of each operand. */
  readonly parts: readonly (readonly NodeId[])[];
  /** For each operand, the scale of the weights that brings products to the scale the rescale starts from. */
  readonly scales: readonly number[];
  /** The level of the products. */
  readonly level: number;
  readonly to: Layout;
  readonly steps: ReadonlySet<number>;
  /** Whether sums are rescaled before they are rotated by giant steps and folds: faster, and some bits worse. */
  readonly early: boolean;
}

/** The ciphertexts of a linear layer's result, rescaled, without its bias (packing.md, section 2, steps 1 to 5). */
export function lowerLinear(he: HeEmitter, values: PreparedValues, request: LinearLowering): NodeId[] {
  const { node, planned, parts, scales, level, to, early } = request;
  const { plan, pieces, layouts } = planned;
  const { slots } = to;
  const scaleOf: number[] = [];
  const babies = plan.operands.flatMap((operand, i) => {
    const first = scaleOf.length;
    for (let k = 0; k < preparedCount(operand, layouts[i]!); k++) scaleOf.push(scales[i]!);
    return values.rotations(node, parts[i]!, operand, level, (k) => babiesOf(pieces, first + k));
  });
  const product = (piece: Piece): NodeId => {
    const attrs = { ...piece, level, scale: scaleOf[piece.from]! };
    const encode = { op: "he_encode", inputs: [request.layer], attrs, ...named(node, "weights") } as const;
    return he.emit(node, "he_multiply_plain", [babies[piece.from]!(piece.baby), he.out.add(encode)], "product");
  };
  const zero = (): NodeId => {
    const x = he.atLevel(node, parts[0]![0]!, level);
    const product = he.emit(node, "he_multiply_plain", [x, he.constant(node, 0, level, scales[0]!)], "product");
    return he.emit(node, "he_rescale", [product], "rescaled");
  };
  const folds = [...plan.folds, ...mixingFolds(plan, slots)];
  const realPart = takesRealPart(plan, layouts);
  const sums = summedCount(plan, to);
  const results = Array.from({ length: sums }, (_, sum): NodeId[] => {
    const own = pieces.filter((piece) => piece.to === sum);
    const isPair = plan.pairs && sum + sums < to.ciphertexts;
    // A ciphertext that no weight reaches is still a ciphertext.
    if (own.length === 0) return isPair ? [zero(), zero()] : [zero()];
    let y = giantSum(he, request, own, product);
    for (const fold of folds) y = he.add(node, y, he.rotate(node, y, fold, "fold"));
    const rescaled = (x: NodeId) => (early ? x : he.emit(node, "he_rescale", [x], "rescaled"));
    if (!realPart && !plan.pairs) return [rescaled(y)];
    const conjugate = he.emit(node, "he_conjugate", [y], "conjugate");
    const real = rescaled(he.add(node, y, conjugate));
    if (!isPair) return [real];
    const difference = he.emit(node, "he_subtract", [y, conjugate], "difference");
    return [real, rescaled(he.turnedBack(node, difference, "imaginary"))];
  });
  return [
    ...results.map(([first]) => first!),
    ...results.flatMap(([, second]) => (second === undefined ? [] : [second])),
  ];
}

/** The products of one sum, by giant step; sums flow from the outermost step to 0 by Horner's rule. */
function giantSum(
  he: HeEmitter,
  { node, steps, to, early }: LinearLowering,
  pieces: readonly Piece[],
  product: (piece: Piece) => NodeId,
): NodeId {
  const { order, parent } = treeOver(giantsOf(pieces), steps, to.slots);
  const sums = new Map<number, NodeId>();
  const addTo = (giant: number, term: NodeId): void => {
    const sum = sums.get(giant);
    sums.set(giant, sum === undefined ? term : he.add(node, sum, term));
  };
  for (const giant of [...order.toReversed(), 0]) {
    let sum: NodeId | undefined;
    for (const piece of pieces) {
      if (normalStep(piece.giant, to.slots) !== giant) continue;
      const term = product(piece);
      sum = sum === undefined ? term : he.add(node, sum, term);
    }
    if (sum !== undefined) addTo(giant, early ? he.emit(node, "he_rescale", [sum], "rescaled") : sum);
    if (giant === 0) continue;
    const next = parent.get(giant)!;
    addTo(next, he.rotate(node, sums.get(giant)!, giant - next, "giant"));
  }
  return sums.get(0)!;
}
