import { expect, it } from "vitest";
import { slotEncoder } from "../src/scheme/encoder.ts";
import { monomialSlots } from "../src/scheme/roots.ts";
import type { SlotVector } from "../src/scheme/slot-vector.ts";
import { distance, randomNumbers } from "./seal-plans.ts";

/** The values of a polynomial in the slots, by the definition. */
function decoded(coefficients: Float64Array, scale: number): { re: Float64Array; im: Float64Array } {
  const degree = coefficients.length;
  const [re, im] = [new Float64Array(degree / 2), new Float64Array(degree / 2)];
  for (let j = 0, exponent = 1; j < re.length; j++, exponent = (exponent * 3) % (2 * degree)) {
    for (const [k, c] of coefficients.entries()) {
      const angle = (Math.PI * ((exponent * k) % (2 * degree))) / degree;
      re[j]! += (c * Math.cos(angle)) / scale;
      im[j]! += (c * Math.sin(angle)) / scale;
    }
  }
  return { re, im };
}

it("encodes complex vectors: the polynomial takes their values in the slots", () => {
  for (const degree of [4, 8, 16, 64, 128]) {
    const [re, im] = [randomNumbers(degree / 2, 1), randomNumbers(degree / 2, 2)];
    const encode = slotEncoder(degree);
    for (const vector of [{ re }, { re, im }, { re: new Float64Array(degree / 2), im }] satisfies SlotVector[]) {
      const coefficients = encode(vector, 2 ** 40);
      expect(coefficients.every(Number.isInteger)).toBe(true);
      const found = decoded(coefficients, 2 ** 40);
      expect(distance(found.re, vector.re)).toBeLessThan(2 ** -33);
      expect(distance(found.im, vector.im ?? new Float64Array(degree / 2))).toBeLessThan(2 ** -33);
    }
  }
});

it("encodes the slots of a monomial as the monomial", () => {
  const degree = 2048;
  const encode = slotEncoder(degree);
  for (const exponent of [0, 1, 7, degree / 2, degree - 1, degree, degree + 5, 2 * degree - 1]) {
    const want = new Float64Array(degree);
    want[exponent % degree] = exponent < degree ? 2 ** 40 : -(2 ** 40);
    expect(distance(encode(monomialSlots(degree, exponent), 2 ** 40), want)).toBe(0);
  }
});

it("is linear: i times a vector is X^(N/2) times the vector with the signs of odd slots changed", () => {
  const degree = 4096;
  const encode = slotEncoder(degree);
  const [re, im] = [randomNumbers(degree / 2, 3), randomNumbers(degree / 2, 4)];
  const both = encode({ re, im }, 2 ** 35).slice();
  const real = encode({ re }, 2 ** 35).slice();
  const signed = encode({ re: im.map((v, j) => (j % 2 === 0 ? v : -v)) }, 2 ** 35).slice();
  const turned = signed.map((_, k) => (k < degree / 2 ? -signed[k + degree / 2]! : signed[k - degree / 2]!));
  expect(
    distance(
      both,
      real.map((v, k) => v + turned[k]!),
    ),
  ).toBeLessThanOrEqual(1);
});

it("rounds half away from zero, as SEAL does", () => {
  const encode = slotEncoder(8);
  const rounded = (v: number) => encode({ re: new Float64Array(4).fill(v) }, 1)[0];
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994, 4503599627370497].map(rounded)).toEqual([
    1, 2, 3, -1, -2, 0, 4503599627370497,
  ]);
});
