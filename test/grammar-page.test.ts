import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { annotationSpecs, hostOf, parseModel } from "../grammar/index.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { renderDiagnostic } from "../src/base/render.ts";
import { elementCount, tensor } from "../src/base/tensor.ts";
import { keywords } from "../src/ir/print-value.ts";
import { verify } from "../src/ir/verify.ts";
import { ops } from "../src/ops/index.ts";

const page = readFileSync(join(import.meta.dirname, "..", "grammar", "grammar.md"), "utf8");
const examples = [...page.matchAll(/^```\n(.*?)^```$/gms)].map(([, text]) => text!);

/** Tensors as an example's comments name them: `# tensor NAME [dims]`. */
function hostFor(text: string) {
  const entries = [...text.matchAll(/^# tensor (\S+) \[(.*)\]$/gm)].map(([, name, dims]) => {
    const shape = dims!.split(",").map(Number);
    return [name!, tensor(shape, new Float64Array(elementCount(shape)))] as const;
  });
  return hostOf(new Map(entries));
}

it.for(examples.map((text, i) => [i + 1, text] as const))(
  "example %i of the language page is a sound model",
  ([, text]) => {
    const diagnostics = new Diagnostics();
    const model = parseModel({ path: "grammar.md", text }, hostFor(text), diagnostics);
    expect(diagnostics.all.map(renderDiagnostic)).toEqual([]);
    expect(verify(model!.graph)).toBeUndefined();
  },
);

it("names every keyword and every annotation for users on the language page", () => {
  expect(examples.length).toBeGreaterThanOrEqual(4);
  expect(page.replace(/\s+/g, " ")).toContain(`\`${keywords.join(" ")}\``);
  for (const name of annotationSpecs.keys()) if (name !== "plan") expect(page).toContain(`@${name}`);
});

it("reads the example line of every op's documentation as a statement", () => {
  for (const [name, op] of Object.entries(ops)) {
    if (op.family !== "network") continue;
    const diagnostics = new Diagnostics();
    parseModel({ path: name, text: `network example {\n  ${op.example}\n}\n` }, hostOf(new Map()), diagnostics);
    // Its operands are not defined here; everything else must be right.
    const allowed = ["SW120", "SW138", "SW147"];
    expect(diagnostics.all.filter((d) => !allowed.includes(d.id)).map(renderDiagnostic)).toEqual([]);
  }
});
