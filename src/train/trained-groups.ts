import { fail } from "../base/diagnostic.ts";
import type { WeightGroup } from "../ir/weight-groups.ts";
import type { Form, Stored } from "./forms.ts";

/** Numbers that are trained and vanish together, for one group of weights or several. */
export interface TrainedGroup {
  /** The place of its tensor among the forms. */
  readonly form: number;
  readonly parts: readonly Stored[];
  /** What vanishes with it, of all groups it stands for. */
  readonly milliseconds: number;
}

/**
 * Groups of weights as the numbers that are trained in their place. Of a tensor whose numbers stand at several places each, as in
 * circulant blocks, several groups may be the same: they become one, which saves what all of them do. `places` says by group which one.
 *
 * Fails where a group names no weight that learns, or indices outside it.
 */
export function trainedGroups(
  forms: readonly Form[],
  groups: readonly WeightGroup[],
): { readonly groups: readonly TrainedGroup[]; readonly places: Int32Array } {
  const named = new Map(forms.map(({ tensor }, i) => [tensor.name, i]));
  const found: TrainedGroup[] = [];
  /** By what is quick to look at. */
  const alike = new Map<string, number[]>();
  const places = groups.map(({ label, weight, indices, removes: { milliseconds } }) => {
    const form = named.get(weight);
    if (form === undefined) return misfit(label, weight, "it has no weight of this name that learns");
    const size = forms[form]!.tensor.values.count;
    const outside = indices.find((at) => at < 0 || at >= size);
    if (outside !== undefined) return misfit(label, weight, `it has ${size} numbers, none at ${outside}`);
    const parts = forms[form]!.stored(indices);
    const key = [form, ...parts.map((part) => [part.indices.length, part.indices[0], part.indices.at(-1)])].join();
    const others = alike.get(key) ?? [];
    const same = others.find((at) => isSame(found[at]!.parts, parts));
    if (same !== undefined) {
      const before = found[same]!;
      found[same] = { ...before, milliseconds: before.milliseconds + milliseconds };
      return same;
    }
    alike.set(key, [...others, found.length]);
    return found.push({ form, parts, milliseconds }) - 1;
  });
  return { groups: found, places: Int32Array.from(places) };
}

function isSame(a: readonly Stored[], b: readonly Stored[]): boolean {
  return (
    a.length === b.length &&
    a.every((part, i) => {
      const other = b[i]!;
      return part.parameter === other.parameter && part.indices.every((at, k) => at === other.indices[k]);
    })
  );
}

function misfit(label: string, weight: string, reason: string): never {
  return fail("group-misfit", "nowhere", { label, weight, reason });
}
