import { expect } from "vitest";
import { operators } from "../src/onnx/index.ts";
import { casesIn } from "./conformance/cases.ts";
import { checkCase } from "./conformance/check.ts";
import { itWithMaterial, materialPath } from "./material.ts";

/** Backend tests that cannot be right: what they compute depends on encrypted values in a way no server can follow. */
const refused = [
  // Operators written with others, which divide by encrypted values and compare them.
  /_expanded|^test_Softsign$/,
  /^test_(batchnorm_.*_training_mode|max|min|reciprocal|sign_model)/,
  // An exponent that has a fraction, or is the only operand that could be encrypted.
  /^test_pow$|^test_pow_types_(float$|int\d+_float32)/,
  // Inputs without elements.
  /_zero_size_|_allowzero_/,
];

for (const set of ["node-v1.22.0", "node-v1.8.0", "pytorch-converted", "simple"]) {
  itWithMaterial(`ONNX's own tests of ${set} are right, or refused for a reason`, async () => {
    const wrong: string[] = [];
    for (const testCase of casesIn(materialPath("onnx", set))) {
      const { name, float, folded, operators: used } = await checkCase(testCase, { compile: false });
      const ours = used.length > 0 && used.every((op) => operators.has(op));
      const mayRefuse = !ours || refused.some((pattern) => pattern.test(name));
      for (const outcome of [float, folded]) {
        if (outcome.is === "failed" || (outcome.is === "refused" && !mayRefuse)) wrong.push(`${name}: ${outcome.why}`);
      }
    }
    expect(wrong).toEqual([]);
  });
}
