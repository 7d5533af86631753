import { type Graph, inputNodes, type Node, type NodeId } from "../ir/graph.ts";
import { type Scheme, topLevel } from "../scheme/parameters.ts";
import {
  ciphertextBytes,
  contextBytes,
  galoisKeyBytes,
  plaintextBytes,
  publicKeyBytes,
  relinKeyBytes,
  secretKeyBytes,
} from "../scheme/sizes.ts";
import { dyingAfter, isPlaintext } from "./liveness.ts";

export interface Kept {
  readonly galoisKeys: number;
  readonly relinKeys: number;
  /** Bytes of plaintexts that stay between runs. */
  readonly plaintextBudget: number;
}

/** Bytes SEAL needs at the worst moment of a run that found its plaintexts kept, client and server in one process. */
export function peakMemory(program: Graph, scheme: Scheme, { galoisKeys, relinKeys, plaintextBudget }: Kept): number {
  const { degree } = scheme;
  const primes = topLevel(scheme) + 1;
  const keys =
    galoisKeys * galoisKeyBytes(degree, primes) +
    relinKeys * relinKeyBytes(degree, primes) +
    publicKeyBytes(degree, primes) +
    secretKeyBytes(degree, primes);
  const cached = cachedPlaintexts(program, degree, plaintextBudget);
  const plaintexts = [...cached].reduce((sum, node) => sum + bytesOf(node, degree), monomialBytes(program, degree));
  return contextBytes(degree, primes) + keys + plaintexts + liveBytes(program, degree, cached);
}

/** The plaintexts a run keeps for the next: in order of use, as long as they fit. */
export function cachedPlaintexts(program: Graph, degree: number, budgetBytes: number): ReadonlySet<Node> {
  const cached = new Set<Node>();
  let bytes = 0;
  for (const node of program.nodes) {
    for (const operand of inputNodes(program, node)) {
      if (!isPlaintext(operand) || cached.has(operand) || bytes + bytesOf(operand, degree) > budgetBytes) continue;
      cached.add(operand);
      bytes += bytesOf(operand, degree);
    }
  }
  return cached;
}

/** Monomials that a program multiplies by: SEAL has a plaintext for each at each level, all of which stay. */
function monomialBytes(program: Graph, degree: number): number {
  const sizes = new Map<string, number>();
  for (const { op, attrs, type } of program.nodes) {
    if (op !== "he_multiply_monomial" || type.kind !== "cipher") continue;
    sizes.set(`${attrs.exponent % (2 * degree)} ${type.level}`, plaintextBytes(degree, type.level + 1));
  }
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Largest total of what is alive while any node runs, inputs included, cached plaintexts not. */
function liveBytes(program: Graph, degree: number, cached: ReadonlySet<Node>): number {
  const dying = dyingAfter(program);
  const held = new Map<NodeId, number>();
  let [live, peak] = [0, 0];
  const hold = (node: Node): void => {
    if (held.has(node.id) || cached.has(node)) return;
    held.set(node.id, bytesOf(node, degree));
    live += bytesOf(node, degree);
  };
  for (const node of program.nodes) {
    if (isPlaintext(node)) continue;
    inputNodes(program, node).filter(isPlaintext).forEach(hold);
    hold(node);
    peak = Math.max(peak, live);
    for (const id of dying[node.id]!) live -= held.get(id) ?? 0;
  }
  return peak;
}

function bytesOf({ type }: Node, degree: number): number {
  if (type.kind === "cipher") return ciphertextBytes(degree, type.level + 1, type.size);
  return type.kind === "plain" ? plaintextBytes(degree, type.level + 1) : 0;
}
