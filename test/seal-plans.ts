import { isProblem } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { NodeId, OpAttrs } from "../src/ir/graph.ts";
import type { OpName } from "../src/ops/index.ts";
import type { Port } from "../src/plan/plan.ts";
import { chooseChain } from "../src/scheme/chain.ts";
import { digit, layoutOf, printLayout } from "../src/scheme/layout.ts";
import { canonicalScales, type Scheme } from "../src/scheme/parameters.ts";
import type { ClientPlan } from "../src/seal/keys.ts";
import type { ServerPlan } from "../src/seal/server.ts";

/** A small ring of no security, where everything is quick. */
export function smallScheme(degree = 1024, levels = 2, scaleBits = 40): Scheme {
  return chain({ degree, levels, security: 0, scaleBits, headroomBits: 10 });
}

export function chain(request: Parameters<typeof chooseChain>[0]): Scheme {
  const scheme = chooseChain(request);
  if (isProblem(scheme)) throw new Error(scheme.problem);
  return scheme;
}

export type HandPlan = ClientPlan & ServerPlan;

/** Names the ops of a program built by hand. */
export class Program {
  readonly #graph: GraphBuilder;
  #next = 0;

  constructor(scheme: Scheme) {
    this.#graph = new GraphBuilder("hand", scheme);
  }

  op<K extends OpName>(op: K, inputs: readonly NodeId[], attrs: unknown = {}): NodeId {
    return this.#graph.add({ op, inputs, attrs: attrs as OpAttrs<K>, name: `layer.v${this.#next++}`, span: noSpan });
  }

  output(name: string, node: NodeId): void {
    this.#graph.output(name, node);
  }

  build() {
    return this.#graph.build();
  }
}

/** One slot vector per port, all slots used. */
export function port(name: string, scheme: Scheme, level: number, range: readonly [number, number]): Port {
  const slots = scheme.degree / 2;
  return { name, shape: [slots], range, layout: layoutOf(slots, 1, [slots], [digit(0, slots, 1)]), level };
}

export const steps = [-2, 1, 3] as const;

/**
 * `y = (sum over s of s / 10 * x[i + s])^2`, squared once for each level but the first. Needs rotations, products with
 * constants, squares, relinearizations and rescales.
 */
export function handPlan(scheme: Scheme, id = "ab".repeat(32)): HandPlan {
  const top = scheme.primes.length - 1;
  const scales = canonicalScales(scheme);
  const input = port("x", scheme, top, [-1, 1]);
  const output = port("y", scheme, 0, [0, 1]);
  const program = new Program(scheme);
  const layout = printLayout(input.layout);
  const x = program.op("he_input", [], { input: "x", part: 0, level: top, shape: input.shape, range: [-1, 1], layout });
  const scale = (Number(scheme.primes[top]!) * scales[top - 1]!) / scales[top]!;
  const terms = steps.map((s) => {
    const rotated = program.op("he_rotate", [x], { steps: s });
    return program.op("he_multiply_plain", [
      rotated,
      program.op("he_encode_constant", [], { value: s / 10, level: top, scale }),
    ]);
  });
  let y = program.op("he_rescale", [terms.reduce((a, b) => program.op("he_add", [a, b]))]);
  for (let l = top - 1; l > 0; l--) {
    y = program.op("he_rescale", [program.op("he_relinearize", [program.op("he_square", [y])])]);
  }
  program.output("y", program.op("he_output", [y], { shape: output.shape, layout }));
  const cost = { totals: { relinearizations: top - 1 } };
  return { id, scheme, galoisSteps: [...steps], inputs: [input], outputs: [output], program: program.build(), cost };
}

/** What a hand-built plan computes. */
export function expected(scheme: Scheme, x: Float64Array): Float64Array {
  const at = (i: number) => x[((i % x.length) + x.length) % x.length]!;
  const sums = x.map((_, i) => steps.reduce((sum, s) => sum + (s / 10) * at(i + s), 0));
  return sums.map((v) => v ** (2 ** (scheme.primes.length - 2)));
}

export function wave(slots: number, phase = 0): Float64Array {
  return Float64Array.from({ length: slots }, (_, i) => Math.sin(i + phase));
}

/** Numbers between -1 and 1, the same for the same seed (mulberry32). */
export function randomNumbers(count: number, seed: number): Float64Array {
  let state = Math.imul(seed + 1, 0x9e3779b9);
  return Float64Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}

/** The largest difference of two vectors; NaN when either has one. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = a.length === b.length ? 0 : Number.NaN;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (!(d <= most)) most = d;
  }
  return most;
}

/** The id and exit code of the error that something fails with. */
export async function failureOf(run: () => unknown): Promise<{ id: string; exit: number; message: string }> {
  const { SealwrightError } = await import("../src/base/diagnostic.ts");
  try {
    await run();
  } catch (error) {
    if (error instanceof SealwrightError)
      return { id: error.first.id, exit: error.first.exit, message: error.first.message };
    throw error;
  }
  throw new Error("it did not fail");
}
