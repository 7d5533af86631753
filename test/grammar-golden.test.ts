import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { hostOf, type ModelHost, parseModel } from "../grammar/index.ts";
import { syntaxCodes } from "../src/base/codes/syntax.ts";
import { Diagnostics, problem } from "../src/base/diagnostic.ts";
import { renderDiagnostic } from "../src/base/render.ts";
import { elementCount, type Tensor, tensor } from "../src/base/tensor.ts";
import { printGraph } from "../src/ir/print.ts";

const root = join(import.meta.dirname, "golden", "syntax");
const cases = readdirSync(root)
  .filter((f) => f.endsWith(".hen"))
  .sort();

/**
 * The host a case describes in comments: `# tensor NAME [dims]` and `# file PATH: text`, both in any weights file; with
 * `# none beside` only named files have tensors.
 */
function hostFor(text: string): ModelHost {
  const tensors = new Map<string, Tensor>();
  for (const [, name, dims] of text.matchAll(/^# tensor (.+) \[(.*)\]$/gm)) {
    const shape = dims!.split(",").map(Number);
    tensors.set(
      name!,
      tensor(
        shape,
        Array.from({ length: elementCount(shape) }, (_, i) => i / 4),
      ),
    );
  }
  const files = new Map([...text.matchAll(/^# file (\S+): (.*)$/gm)].map(([, path, source]) => [path!, source!]));
  const host = hostOf(tensors, files);
  if (!text.startsWith("# none beside")) return host;
  return {
    ...host,
    weights: (path, from) => (path === undefined ? problem("no-such-file", { path: "" }) : host.weights(path, from)),
  };
}

/** Characters that editors and git would change are written as `\u{...}` in cases that begin with `# escapes`. */
function textOf(source: string): string {
  if (!source.startsWith("# escapes")) return source;
  return source.replace(/\\u\{([0-9a-f]+)\}/g, (_, hex) => String.fromCodePoint(Number.parseInt(hex, 16)));
}

const results = new Map<string, string>();

function resultOf(name: string): string {
  const known = results.get(name) ?? read(name);
  results.set(name, known);
  return known;
}

function read(name: string): string {
  const text = textOf(readFileSync(join(root, name), "utf8"));
  const diagnostics = new Diagnostics();
  const model = parseModel({ path: name, text }, hostFor(text), diagnostics);
  const parts = diagnostics.all.map(renderDiagnostic);
  expect(model === undefined).toBe(diagnostics.hasErrors);
  if (model !== undefined) parts.push(printGraph(model.graph).trimEnd());
  for (const target of model?.targets ?? []) {
    parts.push(
      [`target ${target.name}`, ...target.entries.map((e) => `  ${e.key} = ${JSON.stringify(e.value)}`)].join("\n"),
    );
  }
  return `${parts.join("\n\n")}\n`;
}

it.for(cases)("%s reads as expected", async (name) => {
  await expect(resultOf(name)).toMatchFileSnapshot(join(root, name.replace(/\.hen$/, ".expect")));
});

it("shows every syntax code in a golden case, but for limits that need large texts", () => {
  const elsewhere = ["SW115", "SW153", "SW154"];
  const shown = cases.map(resultOf).join("\n");
  const missing = Object.values(syntaxCodes).filter((c) => !shown.includes(`[${c.id}]`) && !elsewhere.includes(c.id));
  expect(missing.map((c) => c.id)).toEqual([]);
});
