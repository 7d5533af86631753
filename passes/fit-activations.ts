import type { Diagnostics } from "../src/base/diagnostic.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import { fitAnnotation } from "../src/ir/fits.ts";
import type { Annotation, Graph, Node, NodeId } from "../src/ir/graph.ts";
import { lazyIntervals } from "../src/ir/intervals.ts";
import type { LayerRange } from "../src/ir/ranges.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { activationRange } from "./activation-range.ts";
import { fittedOps, targetOf } from "./fit/activation-target.ts";
import { Fitter, largestFit } from "./fit/choose-fit.ts";
import type { CompositeSign, Fit } from "./fit/fit.ts";
import type { Histogram } from "./fit/grid.ts";
import { definePass } from "./pass.ts";
import type { ActivationChoice, Settings } from "./settings.ts";

/**
 * Replaces activations by polynomials, which can be computed on encrypted values.
 *
 * `activation.relu = polynomial(degree = 7)` fits that degree; `auto` takes the smallest whose error, rms over the values
 * observed, is at most `activation.tolerance` of the standard deviation of the layer's own values: as a first estimate an error
 * that is independent of them passes through the layers behind in the same proportion. Fewer degrees are fewer levels and
 * products. Where values were observed the fit is least squares weighted by their histogram, with a small floor over the whole
 * range; else the largest error on the range is the least possible. Functions of two straight lines (relu) may become
 * x (a + b sign(x)), the sign being small polynomials one after the other, where a small error is asked for.
 *
 * Outside its range a polynomial goes astray. So ranges that were observed are widened by a tenth of their width on either
 * side; stated ones and bounds are taken as they are. `run` warns when a value leaves the range.
 *
 * `@fit` says at each layer what was done; `@range` has then served its purpose and goes. Leaves alone: activations without a
 * choice or with `client`, softmax and max_pool, which are no functions of one number, prelu with several slopes.
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
      return addFit(out, node, draft.inputs[0]!, fitted);
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
    const choice = fittedOps.has(node.op) ? settings.activations.get(node.op) : undefined;
    return choice === undefined || choice.kind === "client" ? [] : [{ node, choice }];
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
  const fitter = new Fitter(request, choice.kind === "polynomial" ? choice.degree : largestFit);
  if (!fitter.isFinite) {
    diagnostics.report("activation-not-finite", node.span, { layer: node.name, op: node.op, low, high });
    return undefined;
  }
  if (choice.kind === "polynomial") return fitter.ofDegree(choice.degree);
  const { fit, isWithin } = fitter.within(fitTolerance);
  if (!isWithin) {
    const percent = inPercent(fit.error.rms / fit.error.spread);
    const wanted = inPercent(fitTolerance);
    diagnostics.report("fit-too-coarse", node.span, { layer: node.name, op: node.op, percent, wanted });
  }
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

function addFit(out: GraphBuilder, node: Node, x: NodeId, { fit, range }: Fitted): NodeId {
  const { name, span } = node;
  const { low, high, origin } = range;
  const says = fitAnnotation({
    function: node.op,
    degree: fit.degree,
    range: [low, high],
    origin,
    maxError: roundedUp(fit.error.max),
    rmsError: roundedUp(fit.error.rms),
  });
  const annotations = [...withoutRange(node), says];
  if (fit.shape.kind === "sign") return addSign(out, { name, span, annotations }, x, fit.shape.sign);
  const attrs = { coeffs: fit.shape.coefficients, chebyshev: [low, high] };
  return out.add({ op: "polynomial", inputs: [x], attrs, name, span, annotations });
}

/** x (middle + slope sign(x)), on x brought to -2 .. 2, which a layer before takes into its weights. */
function addSign(
  out: GraphBuilder,
  last: Pick<Node, "name" | "span" | "annotations">,
  x: NodeId,
  { reach, stages, middle, slope }: CompositeSign,
): NodeId {
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
