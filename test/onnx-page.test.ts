import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { operators } from "../src/onnx/index.ts";
import { onnxJson, onnxOperatorReference, onnxReference, onnxTables } from "../src/report/onnx-reference.ts";
import { run } from "./cli-io.ts";

const path = join(import.meta.dirname, "..", "docs", "onnx.md");

it("the page on ONNX lists every operator as the table has it", async () => {
  const page = readFileSync(path, "utf8");
  const written = page.slice(0, page.indexOf("-->") + "-->\n\n".length);
  await expect(`${written}${onnxTables()}`).toMatchFileSnapshot(path);
});

it("ops --onnx lists every operator once, within 140 columns", async () => {
  const { out, code } = await run("/", "ops", "--onnx");
  expect([code, out]).toEqual([0, onnxReference()]);
  const lines = out.split("\n");
  for (const name of operators.keys()) expect(lines.filter((line) => line.split(" ")[0] === name)).toHaveLength(1);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(140);
});

it("ops --onnx NAME tells about one operator, and suggests names", async () => {
  expect((await run("/", "ops", "--onnx", "Gemm")).out).toContain("operands: 2 to 3");
  expect((await run("/", "ops", "--onnx", "Sum")).out).toContain("or more");
  expect(await run("/", "ops", "--onnx", "Gem")).toMatchObject({
    code: 2,
    err: expect.stringContaining("did you mean 'Gemm'?"),
  });
  for (const [name, { attributes }] of operators) {
    const text = onnxOperatorReference(name)!;
    for (const attribute of Object.keys(attributes)) expect(text).toContain(`${attribute} (`);
    expect(text).not.toMatch(/undefined|\[object|Infinity/);
  }
  expect(onnxOperatorReference("__proto__")).toBeUndefined();
});

it("ops --onnx --json has the same facts for machines", async () => {
  expect(JSON.parse((await run("/", "ops", "--onnx", "--json")).out)).toEqual(onnxJson());
  expect(JSON.parse((await run("/", "ops", "--onnx", "Gemm", "--json")).out)).toMatchObject({
    name: "Gemm",
    encrypted: "yes",
    operands: [2, 3],
  });
});
