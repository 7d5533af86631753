import { fail } from "../base/diagnostic.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "../ir/graph.ts";
import { parametersOf } from "../plan/key-sets.ts";
import { dyingAfter, isComputed, isPlaintext } from "../plan/liveness.ts";
import { cachedPlaintexts } from "../plan/memory.ts";
import type { Plan } from "../plan/plan.ts";
import { type Scheme, topLevel } from "../scheme/parameters.ts";
import {
  ciphertextBytes,
  contextBytes,
  galoisKeyBytes,
  plaintextBytes,
  relinKeyBytes,
  savedPlaintextBytes,
} from "../scheme/sizes.ts";
import { reducedExponent } from "./encoder.ts";
import { stepGroups } from "./evaluation-keys.ts";
import type { CacheBudget } from "./machine.ts";
import { type Register, RegisterFile } from "./registers.ts";

/** SEAL's heap ends at 4 GiB, and there it hangs instead of failing: stay well below. */
export const defaultMemoryLimit = 3.5 * 2 ** 30;

/** Plaintexts are kept in the heap up to this size, since predictions are right to a tenth only. */
const comfortableHeap = 2.5 * 2 ** 30;

/** What the WebAssembly module starts with. */
const moduleBytes = 2 ** 24;

/** Bytes by what takes them. All but `cache` must be in SEAL's heap, where nothing that was taken is ever given back. */
export interface MemoryNeeds {
  readonly context: number;
  readonly keys: number;
  readonly ciphertexts: number;
  readonly plaintexts: number;
  /** What SEAL's operations take for a moment, and its pools keep. */
  readonly temporaries: number;
  /** Encoded plaintexts kept between runs, in the heap as far as there is room to spare. */
  readonly cache: number;
}

export interface MemoryOptions {
  /** Default 3.5 GiB. */
  readonly limitBytes?: number | undefined;
  /** The most to keep encoded plaintexts in; default whatever the limit leaves. */
  readonly cacheBytes?: number | undefined;
}

type MeasuredPlan = Pick<Plan, "scheme" | "galoisSteps" | "program">;

/** What evaluating a plan takes with a plaintext cache of so many bytes. */
export function memoryNeeds({ scheme, galoisSteps, program }: MeasuredPlan, cacheBytes: number): MemoryNeeds {
  const { degree } = scheme;
  const primes = topLevel(scheme) + 1;
  const relin = program.nodes.some((node) => node.op === "he_relinearize") ? relinKeyBytes(degree, primes) : 0;
  const keyBytes = galoisKeyBytes(degree, primes);
  const group = largestGroup(galoisSteps, degree, primes) * keyBytes;
  const cached = cachedPlaintexts(program, degree, cacheBytes);
  const inputs = program.nodes.filter((node) => node.op === "he_input");
  return {
    context: moduleBytes + contextBytes(degree, primes),
    // While a group is loaded, its bytes lie beside it.
    keys: relin + galoisSteps.length * keyBytes + group / 2,
    // Loading makes the new ciphertext before it drops the old one.
    ciphertexts:
      registersNeeded(program) * degree * 8 + 2 * inputs.reduce((sum, node) => sum + cipherBytes(node, degree), 0),
    // Loading makes one before it drops another.
    plaintexts:
      livePlaintexts(program, degree, cached) + monomialBytes(program, degree) + plaintextBytes(degree, primes),
    temporaries: temporaryBytes(scheme),
    cache: [...cached].reduce(
      (sum, { type }) => sum + savedPlaintextBytes(degree, type.kind === "plain" ? type.level + 1 : 0),
      0,
    ),
  };
}

/**
 * The room to keep plaintexts in, so that the plan stays within its limit. Throws a SealwrightError when it does not fit
 * even without any.
 */
export function planMemory(plan: MeasuredPlan, options: MemoryOptions = {}): CacheBudget {
  return plansMemory([plan], options)[0]!;
}

/**
 * The same for plans that share an instance of SEAL, those of equal parameters also context, keys and registers. Where there is
 * not room for the plaintexts of all, the first get it.
 */
export function plansMemory(
  plans: readonly MeasuredPlan[],
  { limitBytes = defaultMemoryLimit, cacheBytes = limitBytes }: MemoryOptions = {},
): CacheBudget[] {
  const bare = shared(plans);
  checkHeap(bare, limitBytes);
  const heap = total(bare);
  let bytes = Math.min(cacheBytes, limitBytes - heap);
  let heapBytes = Math.max(0, Math.min(bytes, comfortableHeap - heap));
  return plans.map((plan, i) => {
    const budget = { bytes, heapBytes };
    const used = i === plans.length - 1 ? 0 : memoryNeeds(plan, bytes).cache;
    bytes -= used;
    heapBytes = Math.max(0, heapBytes - used);
    return budget;
  });
}

/** Whether plans can share an instance of SEAL. */
export function fitTogether(plans: readonly MeasuredPlan[], { limitBytes }: MemoryOptions = {}): boolean {
  return total(shared(plans)) <= heapLimit(limitBytes);
}

/** Stops when the contexts of several sets of keys are too large to make the keys. */
export function checkKeyMemory(
  plans: readonly Pick<MeasuredPlan, "scheme" | "galoisSteps">[],
  { limitBytes = defaultMemoryLimit }: MemoryOptions,
): void {
  const sizes = plans.map(({ scheme: { degree, primes }, galoisSteps }) => ({
    context: contextBytes(degree, primes.length),
    keys: largestGroup(galoisSteps, degree, primes.length) * galoisKeyBytes(degree, primes.length),
  }));
  const context = sizes.reduce((sum, size) => sum + size.context, moduleBytes);
  checkHeap({ ...nothing, context, keys: Math.max(...sizes.map(({ keys }) => keys)) }, limitBytes);
}

function checkHeap(needs: MemoryNeeds, limitBytes: number): void {
  const [neededBytes, allowed] = [total(needs), heapLimit(limitBytes)];
  if (neededBytes <= allowed) return;
  const [largest] = Object.entries(needs).reduce((a, b) => (b[1] > a[1] ? b : a));
  fail("memory-limit", "nowhere", { neededBytes, limitBytes: allowed, largest });
}

function heapLimit(limitBytes = defaultMemoryLimit): number {
  return Math.min(limitBytes, defaultMemoryLimit);
}

const nothing: MemoryNeeds = { context: 0, keys: 0, ciphertexts: 0, plaintexts: 0, temporaries: 0, cache: 0 };

/** What plans take of SEAL's heap together, without any cache. */
function shared(plans: readonly MeasuredPlan[]): MemoryNeeds {
  const byParameters = new Map<string, MemoryNeeds>();
  for (const plan of plans) {
    const name = parametersOf(plan.scheme);
    byParameters.set(name, combined(byParameters.get(name) ?? nothing, memoryNeeds(plan, 0), Math.max));
  }
  const sum = [...byParameters.values()].reduce((a, b) => combined(a, b, (x, y) => x + y), nothing);
  return { ...sum, context: sum.context - Math.max(0, byParameters.size - 1) * moduleBytes };
}

function combined(a: MemoryNeeds, b: MemoryNeeds, by: (x: number, y: number) => number): MemoryNeeds {
  const { context, keys, ciphertexts, plaintexts, temporaries, cache } = a;
  return {
    context: by(context, b.context),
    keys: by(keys, b.keys),
    ciphertexts: by(ciphertexts, b.ciphertexts),
    plaintexts: by(plaintexts, b.plaintexts),
    temporaries: by(temporaries, b.temporaries),
    cache: by(cache, b.cache),
  };
}

function largestGroup(galoisSteps: readonly number[], degree: number, primes: number): number {
  return Math.max(0, ...stepGroups(galoisSteps, degree, primes).map((group) => group.length));
}

export function total(needs: MemoryNeeds): number {
  return Object.values(needs).reduce((sum: number, bytes: number) => sum + bytes, 0);
}

/** Room that the machine's registers reach, by handing them out as a run does. */
function registersNeeded(program: Graph): number {
  const dying = dyingAfter(program);
  const file = new RegisterFile<undefined>(() => undefined);
  const held = new Map<NodeId, Register<undefined>>();
  for (const node of program.nodes) {
    if (isComputed(node)) held.set(node.id, file.take(roomOf(program, node)));
    for (const id of dying[node.id]!) {
      const register = held.get(id);
      if (register !== undefined) file.give(register);
      held.delete(id);
    }
  }
  return file.capacity;
}

function roomOf(program: Graph, node: Node): number {
  const sizes = [node, ...inputNodes(program, node)].map(({ type }) => (type.kind === "cipher" ? type.size : 0));
  return node.type.kind === "cipher" ? Math.max(...sizes) * (node.type.level + 1) : 0;
}

/** The largest number of objects that plaintexts use at each level; cached ones need one each for a moment. */
function livePlaintexts(program: Graph, degree: number, cached: ReadonlySet<Node>): number {
  const dying = dyingAfter(program);
  const live = new Map<number, Set<NodeId>>();
  const most = new Map<number, number>();
  for (const node of program.nodes) {
    if (isPlaintext(node)) continue;
    for (const operand of inputNodes(program, node)) {
      if (operand.type.kind !== "plain") continue;
      const { level } = operand.type;
      const here = live.get(level) ?? new Set();
      live.set(level, here);
      here.add(operand.id);
      most.set(level, Math.max(most.get(level) ?? 0, here.size + 1));
      if (cached.has(operand)) here.delete(operand.id);
    }
    for (const id of dying[node.id]!) for (const here of live.values()) here.delete(id);
  }
  return [...most].reduce((sum, [level, count]) => sum + count * plaintextBytes(degree, level + 1), 0);
}

/** Monomials stay from their first use on, one for each exponent and level. */
function monomialBytes(program: Graph, degree: number): number {
  const levels = new Map<string, number>();
  for (const { op, attrs, type } of program.nodes) {
    if (op !== "he_multiply_monomial" || type.kind !== "cipher") continue;
    levels.set(`${reducedExponent(attrs.exponent, degree)} ${type.level}`, type.level);
  }
  return [...levels.values()].reduce((sum, level) => sum + plaintextBytes(degree, level + 1), 0);
}

function cipherBytes({ type }: Node, degree: number): number {
  return type.kind === "cipher" ? ciphertextBytes(degree, type.level + 1, type.size) : 0;
}

/** Key switching at each level takes the operand, its digits and two accumulators over all primes; pools keep those of every level. */
function temporaryBytes({ degree, primes }: Scheme): number {
  return primes.reduce((sum, _, level) => sum + (8 * (level + 1) + 8) * degree * 8, 0);
}
