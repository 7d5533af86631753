import { expect, it } from "vitest";
import type { Form } from "../src/train/forms.ts";
import { nextGroups } from "../src/train/next-groups.ts";
import { newMoments } from "../src/train/optimizer.ts";
import type { Parameter } from "../src/train/tape.ts";

function tensorOf(numbers: readonly number[]): { readonly parameter: Parameter; readonly form: Form } {
  const block = (data: readonly number[]) => ({ address: 0, count: data.length, data: Float32Array.from(data) });
  const parameter: Parameter = {
    name: "w",
    shape: [1, numbers.length],
    values: block(numbers),
    slopes: block(numbers),
  };
  const form = { tensor: parameter, own: [parameter], weights: [parameter] } as unknown as Form;
  return { parameter, form };
}

/** Which of some groups of one tensor go first when so many of them are to go. */
function firstOf(count: number, numbers: readonly number[], groups: readonly (readonly number[])[], costs?: number[]) {
  const { parameter, form } = tensorOf(numbers);
  const members = groups.map((indices, i) => ({
    form: 0,
    parts: [{ parameter, indices: Int32Array.from(indices) }],
    milliseconds: 1,
    cost: costs?.[i] ?? 1,
  }));
  const moments = new Map([[parameter, newMoments(parameter)]]);
  const keep = 1 - count / groups.length;
  return nextGroups({ forms: [form], members, dead: new Uint8Array(groups.length), moments, keep });
}

it("what went with one group is no loss to those that overlap it", () => {
  const apart = [[0], [1], [2]];
  const overlapping = [[0], [0, 1], [2]];
  const numbers = [3, 2, 3.5, 9];
  expect(firstOf(2, numbers, apart)).toEqual([1, 0]);
  // 9 + 4 is more than 12.25 as long as the first number is there.
  expect(firstOf(1, numbers, overlapping)).toEqual([0]);
  expect(firstOf(2, numbers, overlapping)).toEqual([0, 1]);
});

it("a group that saves more may lose more", () => {
  expect(firstOf(1, [1, 2, 9], [[0], [1]], [0.2, 1.8])).toEqual([1]);
});

it("the last weights of a tensor stay, and what is zero already is no weight", () => {
  expect(firstOf(3, [1, 0, 2, 0], [[0], [2, 3], [1]])).toEqual([2, 0]);
});
