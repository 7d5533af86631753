import type { WeightGroup } from "../ir/weight-groups.ts";
import type { Form } from "./forms.ts";
import { nextGroups, type PricedGroup } from "./next-groups.ts";
import type { Moments } from "./optimizer.ts";
import type { Parameter } from "./tape.ts";
import { trainedGroups } from "./trained-groups.ts";

/** A group with what training needs of it. */
interface Member extends PricedGroup {
  /** What a proximal step of weight 1 takes off its length. */
  readonly pressure: number;
}

/**
 * Groups of weights on their way to zero: group Lasso with the penalty sum of cost x sqrt(size) x length over all groups (Yuan and
 * Lin, Model selection and estimation in regression with grouped variables, 2006), by proximal steps, which make exact zeros
 * (Parikh and Boyd, Proximal algorithms, 2014, section 6.5.4; groups that overlap one after another), and cuts down to a budget.
 *
 * Of weights that are trained in another form the numbers trained are pressed; groups that are the same ones count as one, below `member`.
 */
export class GroupPruner {
  readonly #forms: readonly Form[];
  /** Those that have groups. */
  readonly #pressable: readonly Form[];
  readonly #members: readonly Member[];
  /** By group as it was given. */
  readonly #places: Int32Array;
  /** Numbers that were zero from the start and stay so. */
  readonly #zeros: readonly { readonly parameter: Parameter; readonly indices: Int32Array }[];
  /** By member: 1 for those that stay zero. */
  readonly dead: Uint8Array;
  /** By member: 1 for those that proximal steps shorten. */
  readonly pressed: Uint8Array;

  /**
   * Weights that were pruned before stay zero, unless `revive`. Fails where a group names no weight that learns, or indices outside it.
   */
  constructor(forms: readonly Form[], given: readonly WeightGroup[], revive = false) {
    const { groups, places } = trainedGroups(forms, given);
    this.#forms = forms;
    this.#places = places;
    this.#pressable = forms.filter((_, i) => groups.some((group) => group.form === i));
    this.#zeros = revive ? [] : forms.flatMap(zerosOf);
    this.dead = new Uint8Array(groups.length);
    this.pressed = new Uint8Array(groups.length).fill(1);
    const lengths = forms.map(({ tensor: { values } }) => Math.sqrt(squares(values.data) / values.count));
    // Groups made by hand may not say what they cost: then all cost the same.
    const total = groups.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    this.#members = groups.map((group) => {
      const cost = total > 0 ? (group.milliseconds * groups.length) / total : 1;
      const size = group.parts.reduce((sum, { indices }) => sum + indices.length, 0);
      return { ...group, cost, pressure: cost * Math.sqrt(size) * lengths[group.form]! };
    });
  }

  /** Whether a group, as it was given, stays zero. */
  isGone(group: number): boolean {
    return this.dead[this.#places[group]!] === 1;
  }

  /** How many of the groups as they were given stay zero. */
  get goneCount(): number {
    return this.#places.reduce((sum, at) => sum + this.dead[at]!, 0);
  }

  /**
   * A proximal step: each pressed group gets shorter by `weight` times its pressure, or zero. A group of typical cost whose weights are as
   * large as those of its tensor are on average vanishes when the weights of all steps add up to 1 and nothing pulls it back.
   */
  shrink(weight: number): void {
    this.#press(() => {
      for (const [at, { parts, pressure }] of this.#members.entries()) {
        if (!this.pressed[at]) continue;
        let sum = 0;
        for (const { parameter, indices } of parts) {
          const { data } = parameter.values;
          for (let i = 0; i < indices.length; i++) sum += data[indices[i]!]! ** 2;
        }
        if (sum === 0) continue;
        const factor = Math.max(0, 1 - (weight * pressure) / Math.sqrt(sum));
        for (const { parameter, indices } of parts) {
          const { data } = parameter.values;
          for (let i = 0; i < indices.length; i++) data[indices[i]!]! *= factor;
        }
      }
    });
  }

  /** Changes numbers of groups so that the tensors' other numbers stay what they are. */
  #press(change: () => void): void {
    this.#pressable.reduce((inner, form) => () => form.press(inner), change)();
  }

  /** Declares dead what is zero by now. */
  bury(): void {
    for (const [at, { parts }] of this.#members.entries())
      if (parts.every(({ parameter: { values }, indices }) => indices.every((i) => values.data[i] === 0)))
        this.dead[at] = 1;
  }

  /** Presses from now on only the groups that a budget has no room for; see `cut`. */
  aim(keep: number, moments: ReadonlyMap<Parameter, Moments>): void {
    this.pressed.set(this.dead);
    for (const at of this.#victims(keep, moments)) this.pressed[at] = 1;
  }

  /** Declares groups dead until the others cost no more than the share `keep` of all, and makes them zero. */
  cut(keep: number, moments: ReadonlyMap<Parameter, Moments>): void {
    this.bury();
    for (const at of this.#victims(keep, moments)) this.dead[at] = 1;
    this.#press(() => this.clear("values"));
  }

  #victims(keep: number, moments: ReadonlyMap<Parameter, Moments>): number[] {
    return nextGroups({ forms: this.#forms, members: this.#members, dead: this.dead, moments, keep });
  }

  /** Makes the weights of dead groups zero, or their slopes, and those that were zero from the start. */
  clear(what: "values" | "slopes"): void {
    for (const { parameter, indices } of this.#zeros) clearAt(parameter[what].data, indices);
    for (const [at, { parts }] of this.#members.entries())
      if (this.dead[at]) for (const { parameter, indices } of parts) clearAt(parameter[what].data, indices);
  }
}

function clearAt(data: Float32Array, indices: Int32Array): void {
  for (let i = 0; i < indices.length; i++) data[indices[i]!] = 0;
}

/** Of weights, of two dimensions and more. None where all are zero: such a tensor was never trained. */
function zerosOf({ tensor: { shape, values }, weights }: Form) {
  if (shape.length < 2 || values.data.every((v) => v === 0)) return [];
  return weights.map((parameter) => {
    const { data } = parameter.values;
    return { parameter, indices: Int32Array.from(data.keys()).filter((i) => data[i] === 0) };
  });
}

function squares(data: Float32Array): number {
  return data.reduce((sum, v) => sum + v * v, 0);
}
