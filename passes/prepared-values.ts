import type { Node, NodeId } from "../src/ir/graph.ts";
import { normalStep, type OperandPlan } from "../src/packing/layer-plan.ts";
import { treeOver } from "../src/packing/steps.ts";
import { mixingExponent } from "../src/packing/terms.ts";
import type { HeEmitter } from "./he-emitter.ts";

/** A prepared ciphertext at one level, and its rotations so far, itself under 0. */
type Rotations = Map<number, NodeId>;

/**
 * Makes prepared ciphertexts and their rotations, each once. A layer that works at a lower level than one before it takes
 * that one's rotations and drops primes, which is free, instead of rotating again.
 */
export class PreparedValues {
  readonly #he: HeEmitter;
  readonly #slots: number;
  /** Rotations that all layers together have keys for. */
  readonly #steps: ReadonlySet<number>;
  /** By what is prepared and how, then by level. */
  readonly #made = new Map<string, Map<number, Rotations>>();

  constructor(he: HeEmitter, slots: number, steps: ReadonlySet<number>) {
    this.#he = he;
    this.#slots = slots;
    this.#steps = steps;
  }

  /** The ciphertexts that meet the weights of a layer, as functions of the baby step, at `level`. */
  rotations(
    layer: Node,
    parts: readonly NodeId[],
    plan: OperandPlan,
    level: number,
    babies: (prepared: number) => readonly number[],
  ): ((step: number) => NodeId)[] {
    const groups = plan.halving === "pairs" ? paired(parts) : parts.map((part) => [part]);
    return groups.map((group, prepared) => {
      const key = `${group.join()} ${plan.halving} ${plan.mixing.join()}`;
      const { parent } = treeOver(babies(prepared), this.#steps, this.#slots);
      const rotation = (step: number): NodeId => {
        const known = this.#known(layer, key, step, level);
        if (known !== undefined) return known;
        const made =
          step === 0 ? this.#prepare(layer, group, plan, level) : this.#rotate(layer, rotation, parent, step);
        this.#at(key, level).set(step, made);
        return made;
      };
      return (step) => rotation(normalStep(step, this.#slots));
    });
  }

  #rotate(layer: Node, rotation: (step: number) => NodeId, parent: ReadonlyMap<number, number>, step: number): NodeId {
    const from = parent.get(step)!;
    return this.#he.rotate(layer, rotation(from), step - from, "baby");
  }

  /** A rotation made at this level or above it. */
  #known(layer: Node, key: string, step: number, level: number): NodeId | undefined {
    for (const [above, rotations] of this.#made.get(key) ?? []) {
      const found = above >= level ? rotations.get(step) : undefined;
      if (found !== undefined) return this.#he.atLevel(layer, found, level);
    }
    return undefined;
  }

  #at(key: string, level: number): Rotations {
    const levels = this.#made.get(key) ?? new Map<number, Rotations>();
    const rotations = levels.get(level) ?? new Map<number, NodeId>();
    this.#made.set(key, levels.set(level, rotations));
    return rotations;
  }

  /** Complex values of real ones, then the mixing (packing.md, section 2, steps 1 and 2). */
  #prepare(layer: Node, group: readonly NodeId[], { halving, mixing }: OperandPlan, level: number): NodeId {
    const he = this.#he;
    const [first, second] = group.map((part) => he.atLevel(layer, part, level));
    let x = first!;
    const imaginary = typeof halving === "number" ? he.rotate(layer, x, halving, "imaginary") : second;
    if (imaginary !== undefined) x = he.add(layer, x, he.turned(layer, imaginary, "turned"));
    for (const [i, step] of mixing.entries()) {
      const rotated = he.rotate(layer, x, step, "replica");
      x = he.add(layer, x, he.monomial(layer, rotated, mixingExponent(i, mixing.length), "character"));
    }
    return x;
  }
}

/** Ciphertext `k` with ciphertext `k + ceil(count / 2)`. */
function paired(parts: readonly NodeId[]): NodeId[][] {
  const half = Math.ceil(parts.length / 2);
  return parts.slice(0, half).map((part, k) => [part, ...parts.slice(half + k, half + k + 1)]);
}
