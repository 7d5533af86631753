import { expect, it } from "vitest";
import { pipeline } from "../passes/pipeline.ts";
import { ops } from "../src/ops/index.ts";
import {
  codeReference,
  opReference,
  opsJson,
  opsReference,
  passesJson,
  passesReference,
} from "../src/report/reference.ts";

it("the list of ops names every op once, within 120 columns", () => {
  const lines = opsReference().split("\n");
  for (const name of Object.keys(ops)) expect(lines.filter((line) => line.split(" ")[0] === name)).toHaveLength(1);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
});

it("every op is documented with its operands and attributes", () => {
  for (const [name, op] of Object.entries(ops)) {
    const text = opReference(name)!;
    for (const input of op.inputs) expect(text).toContain(`  ${input.name}: `);
    for (const attribute of Object.keys(op.attrs)) expect(text).toContain(`  ${attribute}: `);
    expect(text).not.toMatch(/undefined|\[object/);
  }
  expect(opsJson()).toHaveLength(Object.keys(ops).length);
});

it("the reference of an op reads well", () => {
  expect(opReference("conv2d")).toMatchInlineSnapshot(`
    "conv2d: Convolution of an image [C, H, W], as PyTorch and ONNX define it (no kernel flip). Outputs [O, H', W'] with H' = floor((H + pads - dilation * (kh - 1) - 1) / stride) + 1.

      c = conv2d(image, weight = @conv1.weight, bias = @conv1.bias, stride = 2, pad = 2)

    operands:
      input: image [C, H, W] (encrypted)
      weight: kernels [O, C / groups, kh, kw] (constant)
      bias: one number per output (constant, may be left out)

    attributes:
      stride: how far the window moves (an integer from 1 to 65535, or [vertical, horizontal]; default [1,1])
      pad: zeros around the image (an integer from 0 to 65535, [vertical, horizontal] or [top, left, bottom, right]; default [0,0,0,0])
      dilation: distance between neighbouring taps of the kernel (an integer from 1 to 65535, or [vertical, horizontal]; default [1,1])
      groups: parts the channels are split into; a part sees only its own channels (an integer from 1 to 2147483647; default 1)
    "
  `);
  expect(opReference("__proto__")).toBeUndefined();
});

it("the list of passes is in pipeline order", () => {
  const lines = passesReference(pipeline).trimEnd().split("\n").slice(1);
  expect(lines.map((line) => line.trim().split(/ +/)[1])).toEqual(pipeline.map((pass) => pass.name));
  expect(passesJson(pipeline)).toHaveLength(pipeline.length);
});

it("a code is explained with placeholders where messages name things", () => {
  expect(codeReference("sw301")).toMatchInlineSnapshot(`
    "SW301 level-mismatch (error, exit code 3: bad input)

      '<op>' needs operands of one level, got levels <left> and <right>

    what to do: bring the higher one down with he_mod_switch or he_rescale
    "
  `);
  expect(codeReference("level-mismatch")).toBe(codeReference("SW301"));
  expect(codeReference("SW000")).toBeUndefined();
});
