import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Code } from "../src/base/codes/code.ts";
import { codes } from "../src/base/codes.ts";
import { codeFacts, codeReference } from "../src/report/reference.ts";

const entries = Object.entries(codes) as unknown as [keyof typeof codes, Code<object>][];

it("every diagnostic has an id of its own", () => {
  const ids = entries.map(([, entry]) => entry.id);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});

it("no table takes a name that another one has", () => {
  const folder = join(import.meta.dirname, "..", "src", "base", "codes");
  const names = readdirSync(folder).flatMap((file) =>
    [...readFileSync(join(folder, file), "utf8").matchAll(/^ {2}"?([\w-]+)"?: code</gm)].map((match) => match[1]),
  );
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  expect(names).toHaveLength(entries.length);
});

it("ids are SW and three digits", () => {
  expect(entries.map(([, entry]) => entry.id).filter((id) => !/^SW\d{3}$/.test(id))).toEqual([]);
});

it("names are lower-case words joined by hyphens", () => {
  expect(entries.map(([name]) => name).filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
});

it("a message is one lower-case sentence without a full stop, and help is given", () => {
  const wrong = entries
    .map(([name]) => codeFacts(name))
    .filter((facts) => /^[A-Z][a-z]/.test(facts.message) || /[.\n]$/.test(facts.message) || facts.help.trim() === "")
    .map((facts) => `${facts.id} ${facts.name}: ${facts.message} | ${facts.help}`);
  expect(wrong).toEqual([]);
});

it("every diagnostic can be explained without its parameters", () => {
  for (const [name, { id }] of entries) {
    expect(codeReference(id)).toContain(name);
    expect(codeReference(name)).not.toMatch(/\bundefined\b|\[object/);
  }
});

// A test names what it triggers by id or by name; goldens show the id.
it("every diagnostic has a golden or a test that triggers it", () => {
  const here = import.meta.dirname;
  const texts = readdirSync(here, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(?:test\.ts|contract\.ts|expect)$/.test(name) && name !== "codes.test.ts")
    .map((name) => readFileSync(join(here, name), "utf8"))
    .join("\n");
  const missing = entries.filter(([name, { id }]) => !texts.includes(id) && !texts.includes(`"${name}"`));
  expect(missing.map(([name, { id }]) => `${id} ${name}`)).toEqual([]);
});
