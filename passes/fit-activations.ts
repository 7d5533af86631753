import type { Diagnostics } from "../src/base/diagnostic.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { type ActivationChoice, choiceAt } from "../src/ir/activation-choice.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import { fitAnnotation } from "../src/ir/fits.ts";
import type { Annotation, Graph, Node, NodeId } from "../src/ir/graph.ts";
import { lazyIntervals } from "../src/ir/intervals.ts";
import type { LayerRange } from "../src/ir/ranges.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { activationRange, knownRange } from "./activation-range.ts";
import { fittedOps, slopesOf, targetOf } from "./fit/activation-target.ts";
import { Fitter, largestFit } from "./fit/choose-fit.ts";
import type { CompositeSign, Fit } from "./fit/fit.ts";
import type { Histogram } from "./fit/grid.ts";
import { definePass } from "./pass.ts";
import type { Settings } from "./settings.ts";

/**
 * Replaces activations by polynomials, which can be computed on encrypted values.
 *
 * `activation.relu = polynomial(degree = 7)` fits that degree; without one it is the smallest whose error, rms over the values
 * observed, is at most `activation.tolerance` of the standard deviation of the layer's own values: as a first estimate an error
 * that is independent of them passes through the layers behind in the same proportion. Fewer degrees are fewer levels and
 * products. `auto` fits likewise, but only where a range was observed or stated and the tolerance is met: what it leaves is for
 * the client. Where values were observed the fit is least squares weighted by their histogram, with a small floor over the whole
 * range; else the largest error on the range is the least possible. Functions of two straight lines (relu) may become
 * x (a + b sign(x)), the sign being small polynomials one after the other, where a small error is asked for.
 *
 * Outside its range a polynomial goes astray. So ranges that were observed are widened by a tenth of their width on either
 * side; stated ones and bounds are taken as they are. `run` warns when a value leaves the range.
 *
 * `@fit` says at each layer what was done; `@range` and, at polynomials, `@activation` have then served their purpose and go.
 * Leaves alone: activations without a choice or with `client`, softmax and max_pool, which are no functions of one number. A prelu
 * with several slopes s is s x + (1 - s) relu(x), and relu is fitted.
 *
 * Before:  a = relu(c)
 * After:   a = polynomial(c, coeffs = [...], chebyshev = [-4.4, 4.4])   @fit("relu", degree = 7, max = 0.1, ...)
 */
export const fitActivations = definePass({
  name: "fit-activations",
  doc: "Fit polynomials to the activations that settings ask to replace.",
  run(graph, { settings, diagnostics }) {
    const fits = planFits(graph, settings, diagnostics);
    // Other passes leave layers with wishes of their users alone, and this one has nothing to say to them.
    if (fits.size === 0 && !graph.nodes.some((node) => withoutRange(node).length < node.annotations.length))
      return graph;
    return rewrite(graph, (node, out, draft) => {
      const fitted = fits.get(node.id);
      if (fitted === undefined) return out.add({ ...draft, annotations: withoutRange(node) });
      return addFit(out, node, draft.inputs[0]!, fitted, slopesOf(graph, node));
    });
  },
});

/** A fit with the range it was made for. */
interface Fitted {
  readonly fit: Fit;
  readonly range: LayerRange;
}

function planFits(graph: Graph, settings: Settings, diagnostics: Diagnostics): ReadonlyMap<NodeId, Fitted> {
  const chosen = graph.nodes.flatMap((node) => {
    const choice = fittedOps.has(node.op) ? choiceAt(node, settings.activations) : undefined;
    if (choice === undefined || choice.kind === "client") return [];
    return choice.kind === "auto" && knownRange(graph, node, settings.ranges) === undefined ? [] : [{ node, choice }];
  });
  if (chosen.length === 0) return new Map();
  const sources = { ranges: settings.ranges, intervals: lazyIntervals(graph) };
  const fits = new Map<NodeId, Fitted>();
  for (const { node, choice } of chosen) {
    const known = activationRange(graph, node, sources);
    const range = widened(known);
    const histogram =
      known.histogram === undefined ? undefined : { range: [known.low, known.high] as const, counts: known.histogram };
    const fit = fitFor(graph, node, { range, histogram }, choice, settings, diagnostics);
    if (fit !== undefined) fits.set(node.id, { fit, range });
  }
  const guessed = chosen.filter(({ node }) => fits.get(node.id)?.range.origin === "intervals");
  if (guessed.length > 0) {
    diagnostics.report("fit-by-intervals", guessed[0]!.node.span, { layers: guessed.map(({ node }) => node.name) });
  }
  return fits;
}

function fitFor(
  graph: Graph,
  node: Node,
  { range: { low, high }, histogram }: { readonly range: LayerRange; readonly histogram: Histogram | undefined },
  choice: Exclude<ActivationChoice, { kind: "client" }>,
  { fitTolerance }: Settings,
  diagnostics: Diagnostics,
): Fit | undefined {
  const target = targetOf(graph, node);
  if (target === undefined) return undefined;
  const request = { target, range: [low, high] as const, histogram };
  const isAuto = choice.kind === "auto";
  const degree = isAuto ? undefined : choice.degree;
  const fitter = new Fitter(request, degree ?? largestFit);
  if (!fitter.isFinite) {
    if (!isAuto) diagnostics.report("activation-not-finite", node.span, { layer: node.name, op: node.op, low, high });
    return undefined;
  }
  if (degree !== undefined) return fitter.ofDegree(degree);
  const { fit, isWithin } = fitter.within(fitTolerance);
  if (isWithin) return fit;
  if (isAuto) return undefined;
  const percent = inPercent(fit.error.rms / fit.error.spread);
  const wanted = inPercent(fitTolerance);
  diagnostics.report("fit-too-coarse", node.span, { layer: node.name, op: node.op, percent, wanted });
  return fit;
}

const inPercent = (share: number) => Number((100 * share).toPrecision(2));

/** How much an observed range is widened on either side, as a share of its width. */
const margin = 1 / 10;

/** A range narrower than this share of its place is widened: a polynomial needs some room. */
const leastWidth = 2 ** -6;

function widened(range: LayerRange): LayerRange {
  const { low, high, origin } = range;
  const more = origin === "data" ? (high - low) * margin : 0;
  const middle = (low + high) / 2;
  const half = Math.max((high - low) / 2 + more, (leastWidth / 2) * Math.max(1, Math.abs(middle)));
  return half > (high - low) / 2 ? { ...range, low: middle - half, high: middle + half } : range;
}

function withoutRange(node: Node): readonly Annotation[] {
  return node.annotations.filter((a) => a.name !== "range");
}

function addFit(out: GraphBuilder, node: Node, x: NodeId, fitted: Fitted, slopes: Tensor | undefined): NodeId {
  const { name, span } = node;
  const { fit, range } = fitted;
  const { low, high, origin } = range;
  const turn = slopes === undefined ? 1 : slopes.data.reduce((most, s) => Math.max(most, Math.abs(1 - s)), 0);
  const says = fitAnnotation({
    function: node.op,
    degree: fit.degree,
    range: [low, high],
    origin,
    maxError: roundedUp(turn * fit.error.max),
    rmsError: roundedUp(turn * fit.error.rms),
  });
  const annotations = [...withoutRange(node).filter((a) => a.name !== "activation"), says];
  if (slopes === undefined) return addPolynomial(out, { name, span, annotations }, x, fitted);
  const scaled = (value: NodeId, called: string, factors: Tensor) => {
    const data = {
      op: "constant",
      inputs: [],
      attrs: { data: factors },
      name: `${name}.${called}.slope`,
      span,
    } as const;
    return out.add({ op: "multiply", inputs: [value, out.add(data)], attrs: {}, name: `${name}.${called}`, span });
  };
  const straight = scaled(x, "straight", slopes);
  const relu = addPolynomial(out, { name: `${name}.relu`, span, annotations: [] }, x, fitted);
  const bent = scaled(relu, "bent", { ...slopes, data: slopes.data.map((s) => 1 - s) });
  return out.add({ op: "add", inputs: [straight, bent], attrs: {}, name, span, annotations });
}

type Named = Pick<Node, "name" | "span" | "annotations">;

function addPolynomial(out: GraphBuilder, named: Named, x: NodeId, { fit: { shape }, range }: Fitted): NodeId {
  if (shape.kind === "sign") return addSign(out, named, x, shape.sign);
  const attrs = { coeffs: shape.coefficients, chebyshev: [range.low, range.high] };
  return out.add({ op: "polynomial", inputs: [x], attrs, ...named });
}

/** x (middle + slope sign(x)), on x brought to -2 .. 2, which a layer before takes into its weights. */
function addSign(out: GraphBuilder, last: Named, x: NodeId, { reach, stages, middle, slope }: CompositeSign): NodeId {
  const { name, span } = last;
  const data = { shape: [], data: Float64Array.of(2 / reach) };
  const factor = out.add({ op: "constant", inputs: [], attrs: { data }, name: `${name}.factor`, span });
  const scaled = out.add({ op: "multiply", inputs: [x, factor], attrs: {}, name: `${name}.scaled`, span });
  let sign = scaled;
  for (const [i, stage] of stages.entries()) {
    const isLast = i === stages.length - 1;
    const half = reach / 2;
    const gate = stage.map((c, k) => c * slope * half + (k === 0 ? middle * half : 0));
    const attrs = { coeffs: isLast ? gate : stage, chebyshev: [-2, 2] };
    sign = out.add({ op: "polynomial", inputs: [sign], attrs, name: `${name}.${isLast ? "gate" : "sign"}`, span });
  }
  return out.add({ op: "multiply", inputs: [scaled, sign], attrs: {}, ...last });
}

/** Four digits, none of them too small. */
function roundedUp(error: number): number {
  return Number((error * 1.0005).toPrecision(4));
}
