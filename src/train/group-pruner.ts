import { fail } from "../base/diagnostic.ts";
import type { WeightGroup } from "../ir/weight-groups.ts";
import type { Moments } from "./optimizer.ts";
import type { Parameter } from "./tape.ts";

/** A group with what training needs of it. */
interface Member {
  readonly parameter: number;
  readonly indices: Int32Array;
  /** Milliseconds that vanish with it, as a share of the mean over all groups. */
  readonly cost: number;
  /** What a proximal step of weight 1 takes off its length. */
  readonly pressure: number;
}

/**
 * Groups of weights on their way to zero: group Lasso with the penalty sum of cost x sqrt(size) x length over all groups (Yuan and
 * Lin, Model selection and estimation in regression with grouped variables, 2006), by proximal steps, which make exact zeros
 * (Parikh and Boyd, Proximal algorithms, 2014, section 6.5.4; groups that overlap one after another), and cuts down to a budget.
 */
export class GroupPruner {
  readonly #parameters: readonly Parameter[];
  readonly #members: readonly Member[];
  /** Of each parameter, the numbers that were zero from the start and stay so. */
  readonly #zeros: readonly Int32Array[];
  /** 1 for groups that stay zero. */
  readonly dead: Uint8Array;
  /** 1 for groups that proximal steps shorten. */
  readonly pressed: Uint8Array;

  /**
   * Weights (of two dimensions and more) that were pruned before stay zero, unless `revive`. Fails where a group names no weight
   * that learns, or indices outside it.
   */
  constructor(parameters: readonly Parameter[], groups: readonly WeightGroup[], revive = false) {
    this.#parameters = parameters;
    this.#zeros = parameters.map((parameter) => (revive ? new Int32Array(0) : zerosOf(parameter)));
    this.dead = new Uint8Array(groups.length);
    this.pressed = new Uint8Array(groups.length).fill(1);
    const places = new Map(parameters.map(({ name }, i) => [name, i]));
    const lengths = parameters.map(({ values: { data } }) => Math.sqrt(squares(data) / data.length));
    // Groups made by hand may not say what they cost: then all cost the same.
    const total = groups.reduce((sum, group) => sum + group.removes.milliseconds, 0);
    this.#members = groups.map(({ label, weight, indices, removes: { milliseconds } }) => {
      const parameter = places.get(weight);
      if (parameter === undefined) return misfit(label, weight, "it has no weight of this name that learns");
      const size = parameters[parameter]!.values.count;
      const outside = indices.find((at) => at < 0 || at >= size);
      if (outside !== undefined) return misfit(label, weight, `it has ${size} numbers, none at ${outside}`);
      const cost = total > 0 ? (milliseconds * groups.length) / total : 1;
      return { parameter, indices, cost, pressure: cost * Math.sqrt(indices.length) * lengths[parameter]! };
    });
  }

  /**
   * A proximal step: each pressed group gets shorter by `weight` times its pressure, or zero. A group of typical cost whose weights are as
   * large as those of its tensor are on average vanishes when the weights of all steps add up to 1 and nothing pulls it back.
   */
  shrink(weight: number): void {
    for (const [at, { parameter, indices, pressure }] of this.#members.entries()) {
      if (!this.pressed[at]) continue;
      const { data } = this.#parameters[parameter]!.values;
      let sum = 0;
      for (let i = 0; i < indices.length; i++) sum += data[indices[i]!]! ** 2;
      if (sum === 0) continue;
      const factor = Math.max(0, 1 - (weight * pressure) / Math.sqrt(sum));
      for (let i = 0; i < indices.length; i++) data[indices[i]!]! *= factor;
    }
  }

  /** Declares dead what is zero by now. */
  bury(): void {
    for (const [at, { parameter, indices }] of this.#members.entries()) {
      const { data } = this.#parameters[parameter]!.values;
      if (indices.every((i) => data[i] === 0)) this.dead[at] = 1;
    }
  }

  /** Presses from now on only the groups that a budget has no room for; see `cut`. */
  aim(keep: number, moments: readonly Moments[]): void {
    this.pressed.set(this.dead);
    for (const at of this.#victims(keep, moments)) this.pressed[at] = 1;
  }

  /** Declares groups dead until the others cost no more than the share `keep` of all. */
  cut(keep: number, moments: readonly Moments[]): void {
    this.bury();
    for (const at of this.#victims(keep, moments)) this.dead[at] = 1;
  }

  /**
   * The groups to go next within a budget, those first whose loss matters least for what they cost. What a loss matters is
   * estimated from squared slopes: sum of w^2 E[slope^2] (Molchanov et al., arXiv 1906.10771, section 3.1), or before there are
   * any, by the share of its tensor's squares. The last weights of a tensor stay.
   */
  #victims(keep: number, moments: readonly Moments[]): number[] {
    const tensors = this.#parameters.map(({ values: { data } }, i) => {
      const { second } = moments[i]!;
      const known = second.some((v) => v > 0);
      const all = squares(data) || 1;
      return { data, importance: (at: number) => data[at]! ** 2 * (known ? second[at]! : 1 / all) };
    });
    const left = tensors.map(({ data }) => data.reduce((n, v) => (v === 0 ? n : n + 1), 0));
    const lost = tensors.map(({ data }) => new Uint8Array(data.length));
    const scores = this.#members.map(({ parameter, indices, cost }) => {
      const sum = indices.reduce((total, at) => total + tensors[parameter]!.importance(at), 0);
      return sum / Math.max(cost, 1e-9);
    });
    const total = this.#members.reduce((sum, { cost }) => sum + cost, 0);
    let alive = this.#members.reduce((sum, { cost }, at) => sum + (this.dead[at] ? 0 : cost), 0);
    const victims: number[] = [];
    for (const at of scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]! || a - b)) {
      // Sums of costs are not exact.
      if (alive <= (keep + 1e-9) * total) break;
      const { parameter, indices, cost } = this.#members[at]!;
      if (this.dead[at] || cost === 0) continue;
      const { data } = tensors[parameter]!;
      const own = indices.filter((i) => data[i] !== 0 && lost[parameter]![i] === 0);
      if (own.length === left[parameter]) continue;
      for (const i of own) lost[parameter]![i] = 1;
      left[parameter]! -= own.length;
      alive -= cost;
      victims.push(at);
    }
    return victims;
  }

  /** Makes the weights of dead groups zero, or their slopes, and those that were zero from the start. */
  clear(what: "values" | "slopes"): void {
    for (const [parameter, zeros] of this.#zeros.entries()) {
      const { data } = this.#parameters[parameter]![what];
      for (let i = 0; i < zeros.length; i++) data[zeros[i]!] = 0;
    }
    for (const [at, { parameter, indices }] of this.#members.entries()) {
      if (!this.dead[at]) continue;
      const { data } = this.#parameters[parameter]![what];
      for (let i = 0; i < indices.length; i++) data[indices[i]!] = 0;
    }
  }
}

/** None where all are zero: such a tensor was never trained. */
function zerosOf({ shape, values: { data } }: Parameter): Int32Array {
  const zeros = shape.length > 1 ? Int32Array.from(data.keys()).filter((i) => data[i] === 0) : new Int32Array(0);
  return zeros.length === data.length ? new Int32Array(0) : zeros;
}

function squares(data: Float32Array): number {
  return data.reduce((sum, v) => sum + v * v, 0);
}

function misfit(label: string, weight: string, reason: string): never {
  return fail("group-misfit", "nowhere", { label, weight, reason });
}
