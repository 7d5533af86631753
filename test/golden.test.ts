import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { main } from "../src/cli/main.ts";
import { captured } from "./cli-io.ts";

const root = join(import.meta.dirname, "golden");
const cases = readdirSync(root, { recursive: true, encoding: "utf8" })
  // The syntax cases have a runner of their own, without passes.
  .filter((name) => name.endsWith(".hen") && !name.startsWith("syntax"))
  .sort();

// Line one of each .hen says what to run, `# test: opt --pass pack` or `# test: check`; the .expect beside it holds what
// comes out: the graph, or the diagnostics. `vitest -u` rewrites expectations; under CI nothing is written, so a missing file fails.
it.for(cases)("%s", async (name) => {
  const text = readFileSync(join(root, name), "utf8");
  const command = /^# test: (.+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  expect(
    ["opt", "check", "compile"],
    "line one must be '# test: opt --pass <names>', or 'check', or 'compile'",
  ).toContain(command[0]);
  const { io, out, err } = captured(join(root, dirname(name)));
  await main([command[0]!, name.split("/").at(-1)!, ...command.slice(1)], io);
  await expect(`${err()}${out()}`).toMatchFileSnapshot(join(root, name.replace(/\.hen$/, ".expect")));
});
