import type { Settings } from "../../passes/settings.ts";
import type { Span } from "../base/span.ts";
import { type DepthStep, type Depths, isEncrypted, multiplicativeDepth } from "../ir/analysis.ts";
import { type Graph, inputNodes, type Node, type NodeId, type NodeOf } from "../ir/graph.ts";
import { operandOf } from "../ir/infer.ts";
import { opNamed } from "../ops/index.ts";
import { degreeOf } from "../ops/nn-arith.ts";
import { roughMilliseconds } from "./rough-cost.ts";

/** What the rings offer: the levels at which a precision holds. */
export interface Offers {
  readonly degrees: readonly number[];
  levels(degree: number, precision: number): number;
}

/** A network that no ring holds. */
export interface TooDeep {
  /** As it would be packed. */
  readonly network: Graph;
  /** With its polynomials as layers. */
  readonly unexpanded: Graph;
  readonly settings: Settings;
  /** The degree to stay with: the one asked for, or the largest. */
  readonly degree: number;
  /** Levels the network may have there; it has more. */
  readonly offered: number;
  readonly offers: Offers;
}

interface Way {
  readonly text: string;
  readonly milliseconds: number;
}

/** Ways out that are named. */
const mostWays = 3;

/**
 * What would make a network fit, cheapest first by a rough estimate: polynomials of lower degree on the deepest path, a
 * client step in the middle of it, a larger ring where one was asked for, less precision.
 */
export function waysOut(request: TooDeep): readonly string[] {
  const { depth } = multiplicativeDepth(request.network);
  const ways = [lowerDegrees, clientSteps, largerRing, lessPrecision].flatMap((way) => way(request, depth) ?? []);
  const cheapest = ways.toSorted((a, b) => a.milliseconds - b.milliseconds).slice(0, mostWays);
  return cheapest.map(({ text, milliseconds }) =>
    Number.isFinite(milliseconds)
      ? `${text}, about ${duration(milliseconds)}`
      : `${text}, which is not enough by itself`,
  );
}

/** The deepest path of a network; the steps of a polynomial are one layer, as the user wrote it. */
export function layersOnPath(network: Graph, unexpanded: Graph): readonly DepthStep[] {
  const polynomials = new Map<string, Node>(
    unexpanded.nodes.flatMap((n) => (n.op === "polynomial" ? [[n.name, n] as const] : [])),
  );
  const layers: DepthStep[] = [];
  for (const { node, levels } of multiplicativeDepth(network).path) {
    const written = polynomials.get(node.name) ?? polynomials.get(node.name.slice(0, node.name.lastIndexOf(".")));
    const layer = written !== undefined && sameSpan(written.span, node.span) ? written : node;
    const last = layers.at(-1);
    if (last?.node === layer) layers[layers.length - 1] = { node: layer, levels: last.levels + levels };
    else layers.push({ node: layer, levels });
  }
  return layers;
}

function sameSpan(a: Span, b: Span): boolean {
  return a.file === b.file && a.start === b.start && a.end === b.end;
}

function lowerDegrees(request: TooDeep, depth: number): Way | undefined {
  const { unexpanded, network, settings, degree, offered } = request;
  const needed = depth - offered;
  const degrees = new Map<NodeId, number>();
  const at = (node: NodeOf<"polynomial">) => degrees.get(node.id) ?? degreeOf(node.attrs.coeffs);
  const levelsNow = () =>
    deepestPath(unexpanded, (node) => (node.op === "polynomial" ? levelsOf(at(node)) : undefined));
  const before = levelsNow().depth;
  let now = levelsNow();
  while (before - now.depth < needed) {
    // The largest first: of degrees that take one level more, it is the one that is hardest to fit anyway.
    const [largest] = now.path
      .flatMap(({ node }) => (node.op === "polynomial" && levelsOf(at(node)) > 1 ? [node] : []))
      .sort((a, b) => at(b) - at(a));
    if (largest === undefined) break;
    degrees.set(largest.id, lowered(at(largest)));
    now = levelsNow();
  }
  const saved = before - now.depth;
  if (saved === 0) return undefined;
  const changes = [...degrees].map(([id, to]) => ({ node: unexpanded.nodes[id] as NodeOf<"polynomial">, to }));
  const [first] = changes;
  const from = degreeOf(first!.node.attrs.coeffs);
  const others = changes.length - 1;
  const alike = changes.every((c) => c.to === first!.to && degreeOf(c.node.attrs.coeffs) === from);
  const rest = others === 0 ? "" : ` and ${others} more${alike ? "" : " by a level or more"}`;
  const text = `lower the degree of '${first!.node.name}' from ${from} to ${first!.to}${rest}, for ${depth - saved} levels in all`;
  const milliseconds = roughMilliseconds(network, degree, settings.costTable, (_, behind) => behind - saved);
  return { text, milliseconds: saved < needed ? Number.POSITIVE_INFINITY : milliseconds };
}

/** The levels of a polynomial; a square takes its factors from the layers beside it. */
function levelsOf(degree: number): number {
  return degree <= 2 ? 1 : Math.ceil(Math.log2(degree + 1));
}

/** The largest degree with a level less. */
function lowered(degree: number): number {
  const levels = levelsOf(degree) - 1;
  return levels === 1 ? 2 : 2 ** levels - 1;
}

/** Deepest path where some layers take other levels than their ops say. */
function deepestPath(graph: Graph, own: (node: Node) => number | undefined): Pick<Depths, "depth" | "path"> {
  const depths = new Map<NodeId, number>();
  const through = new Map<NodeId, Node | undefined>();
  const levels = (node: Node): number => {
    const op = opNamed(node.op)!;
    if (op.family !== "network" || !isEncrypted(node)) return 0;
    return own(node) ?? op.depth(inputNodes(graph, node).map(operandOf), node.attrs as never);
  };
  for (const node of graph.nodes) {
    const operands = inputNodes(graph, node);
    const deepest = operands.reduce<Node | undefined>(
      (best, n) => (best === undefined || depths.get(n.id)! > depths.get(best.id)! ? n : best),
      undefined,
    );
    through.set(node.id, deepest);
    depths.set(node.id, levels(node) + (deepest === undefined ? 0 : depths.get(deepest.id)!));
  }
  const depth = Math.max(0, ...graph.outputs.map((o) => depths.get(o.node)!));
  const end = graph.outputs.find((o) => depths.get(o.node) === depth);
  const path = [];
  for (let node = end && graph.nodes[end.node]; node !== undefined; node = through.get(node.id))
    if (levels(node) > 0) path.unshift({ node, levels: levels(node) });
  return { depth, path };
}

/** Client steps that are worth naming: each costs a round of messages. */
const mostSteps = 3;

/**
 * The client decrypts on the way, applies an activation, and encrypts again: one step in the middle of the path makes two
 * networks half as deep. As few steps as do.
 */
function clientSteps({ network, unexpanded, settings, offers }: TooDeep): Way | undefined {
  const { depth, byNode, path } = multiplicativeDepth(unexpanded);
  const activations = path.filter(({ node }) => node.op === "polynomial" || node.op === "square");
  for (let steps = 1; steps <= Math.min(mostSteps, activations.length); steps++) {
    const places = Array.from({ length: steps }, (_, i) => nearestTo(((i + 1) * depth) / (steps + 1)));
    const ends = [...places.map(({ node, levels }) => byNode.get(node.id)! - levels), depth];
    const begins = [0, ...places.map(({ node }) => byNode.get(node.id)!)];
    const deepest = Math.max(...ends.map((end, i) => end - begins[i]!));
    const degree = offers.degrees.find((n) => offers.levels(n, settings.precision) >= deepest);
    if (degree === undefined) continue;
    const names = places.map(({ node }) => `'${node.name}'`).join(", ");
    const where = steps === 1 ? `a client step at ${names}, the middle of the path,` : `client steps at ${names}`;
    const leaves = `${steps === 1 ? "halves the depth and leaves" : "leave"} parts of ${deepest} level${deepest === 1 ? "" : "s"} at most, for degree ${degree}`;
    const share = depth === 0 ? 1 : deepest / depth;
    const milliseconds = roughMilliseconds(network, degree, settings.costTable, (_, behind) => behind * share);
    return {
      text: `${where} ${leaves} (write an exact activation there and 'activation.<its name> = client')`,
      milliseconds,
    };
  }
  return undefined;

  function nearestTo(level: number) {
    const distance = ({ node, levels }: DepthStep) => Math.abs(byNode.get(node.id)! - levels / 2 - level);
    return activations.toSorted((a, b) => distance(a) - distance(b))[0]!;
  }
}

function largerRing({ network, settings, offers }: TooDeep, depth: number): Way | undefined {
  if (settings.degree === undefined) return undefined;
  const degree = offers.degrees.find((n) => n > settings.degree! && offers.levels(n, settings.precision) >= depth);
  if (degree === undefined) return undefined;
  const milliseconds = roughMilliseconds(network, degree, settings.costTable);
  return { text: `leave 'degree' out, or ask for ${degree}, which has room for ${depth} levels`, milliseconds };
}

function lessPrecision({ network, settings, degree, offers }: TooDeep, depth: number): Way | undefined {
  for (let precision = settings.precision - 1; precision > 0; precision--) {
    if (offers.levels(degree, precision) < depth) continue;
    const milliseconds = roughMilliseconds(network, degree, settings.costTable);
    return {
      text: `set precision to ${precision} bits: degree ${degree} then has room for ${depth} levels`,
      milliseconds,
    };
  }
  return undefined;
}

/** Two digits: the estimate knows no more. */
function duration(milliseconds: number): string {
  const [value, unit] = milliseconds < 1000 ? [milliseconds, "ms"] : [milliseconds / 1000, "s"];
  return `${Number(value.toPrecision(2))} ${unit}`;
}
