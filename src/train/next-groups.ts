import type { Form } from "./forms.ts";
import type { Moments } from "./optimizer.ts";
import type { Parameter } from "./tape.ts";
import type { TrainedGroup } from "./trained-groups.ts";

/** A group with its price. */
export interface PricedGroup extends TrainedGroup {
  /** Milliseconds that vanish with it, as a share of the mean over all groups. */
  readonly cost: number;
}

export interface GroupBudget {
  readonly forms: readonly Form[];
  readonly members: readonly PricedGroup[];
  /** By member: 1 for those that are gone already. */
  readonly dead: Uint8Array;
  readonly moments: ReadonlyMap<Parameter, Moments>;
  /** Share of the costs of all groups that may stay. */
  readonly keep: number;
}

/**
 * The groups to go next within a budget, by place, those first whose loss matters least for what they cost. What a loss matters is
 * estimated from squared slopes: sum of w^2 E[slope^2] (Molchanov et al., arXiv 1906.10771, section 3.1), or before there are any,
 * by the share of its tensor's squares. What goes with one group is no loss any more to those that overlap it. The last weights of
 * a tensor stay.
 */
export function nextGroups({ forms, members, dead, moments, keep }: GroupBudget): number[] {
  const numbers = numbersOf(forms, members, moments);
  const sumOf = ({ parts }: PricedGroup, what: keyof Numbers) =>
    parts.reduce((sum, { parameter, indices }) => {
      const data = numbers.get(parameter)![what];
      return indices.reduce((own, i) => own + data[i]!, sum);
    }, 0);
  const scoreOf = (member: PricedGroup) => sumOf(member, "worth") / Math.max(member.cost, 1e-9);
  const scores = members.map(scoreOf);
  const byScore = (a: number, b: number) => scores[a]! - scores[b]! || a - b;
  const overlapping = formsWithOverlaps(members);
  const left = forms.map(({ weights }) => weights.reduce((n, w) => n + sum(numbers.get(w)?.stays ?? []), 0));
  const total = sum(members.map(({ cost }) => cost));
  let alive = sum(members.map(({ cost }, at) => (dead[at] ? 0 : cost)));
  let open = scores.flatMap((_, at) => (dead[at] || members[at]!.cost === 0 ? [] : [at])).sort(byScore);
  const chosen: number[] = [];
  // Sums of costs are not exact.
  for (let next = 0; next < open.length && alive > (keep + 1e-9) * total; next++) {
    const at = open[next]!;
    const member = members[at]!;
    const count = sumOf(member, "stays");
    if (count === left[member.form]) continue;
    for (const { parameter, indices } of member.parts) {
      const { worth, stays } = numbers.get(parameter)!;
      for (const i of indices) worth[i] = stays[i] = 0;
    }
    left[member.form]! -= count;
    alive -= member.cost;
    chosen.push(at);
    if (!overlapping.has(member.form)) continue;
    open = open.slice(next + 1);
    next = -1;
    for (const other of open) if (members[other]!.form === member.form) scores[other] = scoreOf(members[other]!);
    open.sort(byScore);
  }
  return chosen;
}

interface Numbers {
  /** What each number is worth that is still there. */
  readonly worth: Float32Array;
  /** 1 where a number is not zero. */
  readonly stays: Float32Array;
}

/** Of the weights of the tensors that have groups. */
function numbersOf(
  forms: readonly Form[],
  members: readonly PricedGroup[],
  moments: GroupBudget["moments"],
): ReadonlyMap<Parameter, Numbers> {
  const numbers = new Map<Parameter, Numbers>();
  for (const place of new Set(members.map(({ form }) => form))) {
    const { weights } = forms[place]!;
    const all = sum(weights.map(({ values }) => sum(values.data.map((w) => w * w)))) || 1;
    for (const parameter of weights) {
      const { data } = parameter.values;
      const { second } = moments.get(parameter)!;
      const known = second.some((v) => v > 0);
      const worth = data.map((w, i) => w * w * (known ? second[i]! : 1 / all));
      numbers.set(parameter, { worth, stays: data.map((w) => (w === 0 ? 0 : 1)) });
    }
  }
  return numbers;
}

/** Forms of which some number is in several groups. */
function formsWithOverlaps(members: readonly PricedGroup[]): ReadonlySet<number> {
  const seen = new Map<Parameter, Uint8Array>();
  const found = new Set<number>();
  for (const { form, parts } of members) {
    for (const { parameter, indices } of parts) {
      const own = seen.get(parameter) ?? new Uint8Array(parameter.values.count);
      seen.set(parameter, own);
      if (indices.some((i) => own[i] === 1)) found.add(form);
      for (const i of indices) own[i] = 1;
    }
  }
  return found;
}

function sum(numbers: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < numbers.length; i++) total += numbers[i]!;
  return total;
}
