// Faults of model texts and of the weights they name: refused with a place and a remedy, or read exactly.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run, temporaryFolder } from "./cli-io.ts";
import { safetensors } from "./cli-model.ts";
import { type Refusal, refused } from "./faults-refusal.ts";

const good = "network n {\n  input x: [2] in 0 .. 1\n  output y = square(x)\n}\n";
const withBody = (expression: string) => good.replace("square(x)", () => expression);

function folderWith(text: string | Uint8Array): string {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "m.hen"), text);
  return folder;
}

/** Where an error points, as `line:column`. */
const at = ({ place }: Refusal) =>
  place?.start === undefined ? undefined : `${place.start.line}:${place.start.column}`;

async function refusedText(text: string | Uint8Array, ...flags: string[]): Promise<Refusal> {
  const folder = folderWith(text);
  const refusal = await refused(folder, "compile", "m.hen", ...flags);
  // A check finds the same without writing anything.
  if (flags.length === 0) expect((await refused(folder, "check", "m.hen")).all).toEqual(refusal.all);
  return refusal;
}

/** The graph a text is read as. */
async function graphOf(text: string | Uint8Array, stage = "reject-unsupported"): Promise<string> {
  const { code, out, err } = await run(folderWith(text), "compile", "m.hen", "--stop-after", stage);
  expect([code, err]).toEqual([0, ""]);
  return out;
}

it.for([
  ["an empty file", "", "SW101"],
  ["only comments", "# one\n# two\n", "SW101"],
  ["only a byte order mark", "\ufeff", "SW101"],
  ["UTF-16 with a byte order mark", Buffer.from(`\ufeff${good}`, "utf16le"), "SW102"],
  ["UTF-16 without one", Buffer.from(good, "utf16le"), "SW102"],
  ["a NUL", good.replace("x)", "\0x)"), "SW102", "3:21"],
  ["invalid UTF-8", Buffer.concat([Buffer.from(`${good}# é`), Buffer.of(0xff, 0x0a)]), "SW102", "5:4"],
] as const)("F29: %s is no model", async ([, text, id, place]) => {
  const refusal = await refusedText(text);
  expect([refusal.exit, refusal.id, refusal.place?.path]).toEqual([3, id, "m.hen"]);
  if (place !== undefined) expect(at(refusal)).toBe(place);
});

it("F29: byte order marks, line ends of any system and a missing last one change nothing", async () => {
  const graph = await graphOf(good);
  for (const text of [`\ufeff${good}`, good.replaceAll("\n", "\r\n"), good.replaceAll("\n", "\r"), good.trimEnd()]) {
    expect(await graphOf(text)).toBe(graph);
  }
});

it("F29: columns count code points, and a byte order mark counts for none", async () => {
  const text = "\ufeffnetwork n {\r\n  input 𝒳: [2] in 0 .. 1\r\n  output 𝒳y = squar(𝒳)\r\n}";
  expect(at(await refusedText(text))).toBe("3:15");
  expect(at(await refusedText(`\ufeff${good.replace("network", "netwrok")}`))).toBe("1:1");
});

it.for([
  ["text", 'network n { weights "abc', "SW104", "1:21"],
  ["name in backticks", good.replace("output y", "output `y"), "SW104", "3:10"],
  ["parenthesis", good.replace("(x)", "(x"), "SW105", "3:20"],
  ["parenthesis at the end", "network n {\n  input x: [2]\n  output y = square(x", "SW105", "3:20"],
  ["square bracket", "network n {\n  input x: [2", "SW105", "2:12"],
  ["brace", good.trimEnd().slice(0, -1), "SW156", "1:11"],
  ["foreign comment", `${good} /* comment`, "SW103", "5:2"],
] as const)("F30: an unterminated %s is shown where it begins", async ([, text, id, place]) => {
  const folder = folderWith(text);
  const { exit, all } = await refused(folder, "check", "m.hen");
  expect([exit, all.includes(id)]).toEqual([3, true]);
  const { err } = await run(folder, "check", "m.hen");
  expect(err).toMatch(new RegExp(`error\\[${id}\\]: .*\n --> m.hen:${place}\n`));
});

it("F31: a line of a megabyte is read, and a mistake in one does not flood the terminal", {
  timeout: 10_000,
}, async () => {
  expect(await graphOf(withBody(`square(x) # ${"long ".repeat(200_000)}`))).toContain("square");
  const folder = folderWith(withBody(`square(${"x".repeat(1_000_000)})`));
  const { code, err } = await run(folder, "check", "m.hen");
  expect([code, err.length < 5000]).toEqual([3, true]);
});

it.for([
  ["100,000 nested parentheses", withBody(`${"(".repeat(1e5)}x${")".repeat(1e5)}`), "SW116"],
  ["100,000 open parentheses", withBody("(".repeat(1e5)), "SW116"],
  // test/grammar-limits.test.ts shows that shorter texts take time in proportion to their length.
  [
    "a million statements",
    good.replace("output", `${"  a = negate(x)   # one of very many\n".repeat(1e6)}  output`),
    "SW115",
  ],
  ["a repeat of 2^53 rounds", good.replace("output", "repeat i in 1 .. 9007199254740991 { }\n  output"), "SW117"],
])("F31: %s stop at a limit, in no time", { timeout: 10_000 }, async ([, text, id]) => {
  expect(await refusedText(text!)).toMatchObject({ exit: 5, id });
});

it("F31: a chain of 20,000 layers folds in time proportional to its length", { timeout: 10_000 }, async () => {
  const text = good.replace(
    "output y = square(x)",
    "h = x\n  repeat i in 1 .. 20000 { next h = negate(h) }\n  output y = square(h)",
  );
  expect(await graphOf(text, "fold-linear")).toBe(
    await graphOf(good.replace("output y = square(x)", "h = x\n  output y = square(h)"), "fold-linear"),
  );
});

it.for([
  ["layer", withBody("sqare(x)"), "SW127", "square"],
  ["keyword", good.replace("network", "netwrok"), "SW113", "network"],
  ["statement", good.replace("output", "ouput"), "SW113", "output"],
  ["parameter", withBody("polynomial(x, coefs = [1])"), "SW128", "coeffs"],
  ["setting", `${good}target seal { precison = 8 }\n`, "SW521", "precision"],
  ["value", withBody("square(xx)"), "SW120", "x"],
])("F32: a misspelt %s gets a suggestion", async ([, text, id, meant]) => {
  expect(await refusedText(text!)).toMatchObject({
    exit: 3,
    id,
    help: expect.stringContaining(`did you mean '${meant}'?`),
  });
});

it.for([
  ["missing parameter", "polynomial(x)", "SW129"],
  ["doubled parameter", "polynomial(x, coeffs = [1], coeffs = [2])", "SW130"],
  ["surplus argument", "square(x, x)", "SW131"],
  ["text instead of numbers", 'polynomial(x, coeffs = "a")', "SW203"],
  ["value instead of numbers", "polynomial(x, coeffs = x)", "SW133"],
])("F32: a %s is refused", async ([, expression, id]) => {
  expect(await refusedText(withBody(expression!))).toMatchObject({ exit: 3, id });
});

it("F32: several mistakes are reported in one run, at most 20", async () => {
  const lines = Array.from({ length: 30 }, (_, i) => `  a${i} = sqare${i}(x)\n`).join("");
  expect((await refusedText(good.replace("  output", `${lines}  output`))).all).toEqual(Array(20).fill("SW127"));
  const mixed = "network n {\n  input x: [0]\n  a = sqare(x)\n  b = square(c)\n  output y = negate(x, x)\n}\n";
  expect(new Set((await refusedText(mixed)).all)).toEqual(new Set(["SW135", "SW127", "SW120", "SW131"]));
});

const literals: readonly (readonly [string, string])[] = [
  ...["1e999", "-1e999", "1e-999", "123456789012345678901234567890"].map((n) => [n, "SW108"] as const),
  ...["0x10", "08", "00", "1_000", "1e", "1n", "0b1"].map((n) => [n, "SW107"] as const),
  ...["NaN", "nan", "Infinity", "-inf"].map((n) => [n, "SW126"] as const),
  ...["9007199254740993", "-9007199254740993"].map((n) => [n, "SW109"] as const),
  ...["１２", "1.", ".5", "٣"].map((n) => [n, "SW103"] as const),
];

it.for(literals)("F33: number literals are exact or refused, never rounded: %s is %s", async ([literal, id]) => {
  for (const text of [
    withBody(`polynomial(x, coeffs = [0, 0, ${literal}])`),
    good.replace("0 .. 1", `${literal} .. 2`),
  ]) {
    const refusal = await refusedText(text);
    expect([refusal.exit, refusal.id]).toEqual([3, id]);
  }
});

it("F33: number literals that are read keep every bit, the sign of zero too", async () => {
  const numbers = ["-0", "0.1", "9007199254740992", "1e22", "5e-324", "1.7976931348623157e308", "-0.30000000000000004"];
  const printed = /coeffs = \[(.*)\]/.exec(
    await graphOf(withBody(`polynomial(x, coeffs = [${numbers.join(", ")}])`)),
  )![1]!;
  const read = printed.split(", ").map(Number);
  expect(read.length).toBe(numbers.length);
  for (const [i, text] of numbers.entries()) expect(Object.is(read[i], Number(text)), `${text} ${read[i]}`).toBe(true);
});

it.for(["1e999", "-0", "08", "9007199254740993", "2.5", "0", "-1", "NaN"])(
  "F33: the dimension %s is refused",
  async (dimension) => expect((await refusedText(good.replace("[2]", `[${dimension}]`))).exit).toBe(3),
);

it.for([
  "degree=0x1000",
  "degree=4096.5",
  "precision=１２",
  "precision=1e999",
  "precision=NaN",
  "max_keys=9007199254740993",
])("F33: the setting %s is refused", async (setting) =>
  expect(await refusedText(good, "--set", setting)).toMatchObject({ exit: 3, id: "SW522" }),
);

it.for([
  ["use before definition", "a = square(b)\n  b = square(x)\n  output y = a", "SW121"],
  ["redefinition", "a = square(x)\n  a = square(a)\n  output y = a", "SW122"],
  ["shadowing in a block", "block f(x) { return square(x) }\n  output y = f(x)", "SW123"],
  ["shadowing in a repeat", "repeat i in 1 .. 2 { x = square(x) }\n  output y = x", "SW123"],
  ["shadowing of an op", "block square(v) { return v }\n  output y = square(x)", "SW123"],
  ["a keyword as a name", "block = square(x)\n  output y = x", "SW114"],
  ["__proto__ undefined", "output y = square(__proto__)", "SW120"],
  ["__proto__ as an op", "output y = __proto__(x)", "SW127"],
  ["__proto__ as a parameter", "output y = square(x, __proto__ = 1)", "SW128"],
])("F34: %s is refused", async ([, lines, id]) => {
  expect(await refusedText(good.replace("output y = square(x)", lines!))).toMatchObject({ exit: 3, id });
});

it("F34: names of Object's prototype are ordinary names", async () => {
  const text =
    "network __proto__ {\n  input constructor: [2] in 0 .. 1\n  __proto__ = square(constructor)\n  toString = negate(__proto__)\n  output hasOwnProperty = toString\n}\n";
  expect(await graphOf(text)).toContain("output hasOwnProperty");
  const folder = folderWith(text);
  fs.writeFileSync(join(folder, "x.csv"), "1 0.5");
  const { out } = await run(folder, "run", "m.hen", "-i", "x.csv", "--machine", "sim", "--json");
  expect(JSON.parse(out).outputs.hasOwnProperty.data[0]).toBeCloseTo(-1, 6);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it("F34: letters that look Latin are never taken for Latin ones, and warned about", async () => {
  const unknown = await refusedText(good.replace("square(x)", "square(х)"));
  expect([unknown.exit, unknown.all]).toEqual([3, ["SW124", "SW120"]]);
  const mixed = await run(
    folderWith(good.replace("output y = square(x)", "xу = square(x)\n  output y = xу")),
    "compile",
    "m.hen",
    "--stop-after",
    "reject-unsupported",
  );
  expect([mixed.code, mixed.err]).toEqual([0, expect.stringMatching(/warning\[SW124\].*U\+0443/)]);
});

function npy(header: string, data: Uint8Array): Uint8Array {
  const text = `${header.padEnd(117)}\n`;
  const length = Buffer.of(text.length & 255, text.length >> 8);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), length, Buffer.from(text, "latin1"), data]);
}
const numbers = Float64Array.of(1, 2, 3, 4.5);
const raw = Buffer.from(numbers.buffer);
const whole = safetensors([["w", [2, 2], [...numbers]]]);
const patched = (from: string, to: string) =>
  Buffer.from(Buffer.from(whole).toString("latin1").replace(from, to), "latin1");
const header = (descr: string, shape: string) => `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;

function weightsFolder(name: string, bytes?: Uint8Array | string): string {
  const folder = folderWith(withBody("dense(x, weight = @w)").replace("{\n", `{\n  weights "${name}"\n`));
  if (bytes !== undefined) fs.writeFileSync(join(folder, name), bytes);
  return folder;
}

it.for<[string, string, Uint8Array | string | undefined, string]>([
  ["missing", "w.safetensors", undefined, "SW910"],
  ["empty", "w.safetensors", "", "SW610"],
  ["too short", "w.safetensors", whole.subarray(0, whole.length - 8), "SW615"],
  ["too long", "w.safetensors", Buffer.concat([whole, raw]), "SW617"],
  ["of a shape that does not fit its bytes", "w.safetensors", patched("[2,2]", "[2,3]"), "SW614"],
  ["of another dtype than its bytes", "w.safetensors", patched('"F64"', '"F32"'), "SW614"],
  ["of an unknown dtype", "w.safetensors", patched('"F64"', '"C64"'), "SW613"],
  ["not finite", "w.safetensors", safetensors([["w", [2, 2], [1, 2, Number.NaN, 4]]]), "SW618"],
  ["of another layer's shape", "w.safetensors", safetensors([["w", [2, 3], [1, 2, 3, 4, 5, 6]]]), "SW214"],
  ["an array whose header lies", "w.npy", npy(header("<f8", "(2, 200)"), raw), "SW614"],
  ["an array whose header lies hugely", "w.npy", npy(header("<f8", "(1073741824, 1073741824)"), raw), "SW620"],
  [
    "an array of Python objects",
    "w.npy",
    npy(header("|O", "(2, 2)"), Buffer.from("cos\nsystem\n(S'false'\ntR.")),
    "SW632",
  ],
  ["a bare pickle", "w.npy", Buffer.from("\x80\x04\x95cos\nsystem\n", "latin1"), "SW610"],
])("F35: weights that are %s are refused", async ([, name, bytes, id]) => {
  const refusal = await refused(weightsFolder(name, bytes), "compile", "m.hen");
  expect([refusal.exit, refusal.id]).toEqual([3, id]);
  expect(refusal.place?.path).toBe(id === "SW910" || id === "SW214" ? "m.hen" : name);
});

it("F35: a folder or a pipe as weights is refused without waiting for it", async () => {
  const folder = weightsFolder("w.npy");
  fs.mkdirSync(join(folder, "w.npy"));
  expect(await refused(folder, "compile", "m.hen")).toMatchObject({
    exit: 3,
    id: "SW911",
    message: expect.stringContaining("a folder"),
  });
  fs.rmdirSync(join(folder, "w.npy"));
  execFileSync("mkfifo", [join(folder, "w.npy")]);
  expect(await refused(folder, "compile", "m.hen")).toMatchObject({
    exit: 3,
    id: "SW911",
    message: expect.stringContaining("a pipe"),
  });
});

it("F35: the byte order that an array states is obeyed", async () => {
  const printed = async (name: string, bytes: Uint8Array) =>
    (await run(weightsFolder(name, bytes), "compile", "m.hen", "--stop-after", "reject-unsupported")).out;
  const expected = await printed("w.safetensors", whole);
  expect(expected).toContain("[[1, 2], [3, 4.5]]");
  expect(await printed("w.npy", npy(header("<f8", "(2, 2)"), raw))).toBe(expected);
  expect(await printed("w.npy", npy(header(">f8", "(2, 2)"), Buffer.from(raw).swap64()))).toBe(expected);
});

it.for(["../w.npy", "/etc/passwd", "/dev/zero", "/proc/self/environ", "a/../../w.npy", "link.npy", "linked/w.npy"])(
  "F36: the path %s leads out of the model's folder and is not opened",
  async (path) => {
    const outer = temporaryFolder();
    const folder = join(outer, "model");
    fs.mkdirSync(folder);
    fs.writeFileSync(join(outer, "w.npy"), npy(header("<f8", "(2, 2)"), raw));
    fs.symlinkSync("../w.npy", join(folder, "link.npy"));
    fs.symlinkSync("..", join(folder, "linked"));
    fs.writeFileSync(
      join(folder, "m.hen"),
      withBody("dense(x, weight = @w)").replace("{\n", `{\n  weights "${path}"\n`),
    );
    expect(await refused(folder, "compile", "m.hen")).toMatchObject({ exit: 6, id: "SW920", place: { path: "m.hen" } });
    fs.writeFileSync(join(folder, "m.hen"), `import "${path}"\n${good}`);
    expect(await refused(folder, "compile", "m.hen")).toMatchObject({ exit: 6, id: "SW920", place: { path: "m.hen" } });
  },
);

it.for(["..\\\\w.npy", "file:///etc/passwd", "https://example.org/w.npy", "%2e%2e/w.npy", "w.npy\\u{0}"])(
  "F36: %s is a file name like any other, and there is no such file",
  async (path) =>
    expect(await refused(weightsFolder(path), "compile", "m.hen")).toMatchObject({ exit: 3, id: "SW910" }),
);

it("F36: files that import one another are refused where the circle closes", async () => {
  const folder = folderWith(`import "a.hen"\n${good}`);
  fs.writeFileSync(join(folder, "a.hen"), 'import "sub/../b.hen"\n');
  fs.writeFileSync(join(folder, "b.hen"), 'import "a.hen"\n');
  fs.mkdirSync(join(folder, "sub"));
  expect(await refused(folder, "compile", "m.hen")).toMatchObject({ exit: 3, id: "SW141", place: { path: "b.hen" } });
});

it.for(["1 .. 0", "1 .. 1", "0 .. NaN"])("F37: the input range %s is refused", async (range) => {
  expect((await refusedText(good.replace("0 .. 1", range))).exit).toBe(3);
});

it("F37: a range whose values no prime can hold is refused before anything is computed", async () => {
  expect(await refusedText(good.replace("0 .. 1", "0 .. 1e300"))).toMatchObject({ exit: 4, id: "SW505" });
});

// Exit code 8, for values that outgrow their ciphertexts inside the declared range: test/sim-machine.test.ts.
it("F37: a value outside the declared range is refused before anything is computed with it", async () => {
  const folder = folderWith(withBody("square(square(x))"));
  fs.writeFileSync(join(folder, "x.csv"), "0.5 900");
  const refusal = await refused(folder, "run", "m.hen", "-i", "x.csv", "--machine", "sim");
  expect(refusal).toMatchObject({ exit: 3, id: "SW843", message: expect.stringContaining("0 .. 1") });
});

it("F37: an activation that ciphertexts cannot compute is refused with what to do instead", async () => {
  expect(await refusedText(withBody("relu(x)"))).toMatchObject({
    exit: 4,
    id: "SW223",
    help: expect.stringContaining("polynomial"),
  });
});

it.for([
  ["thirty levels", withBody(`${"square(".repeat(30)}x${")".repeat(30)}`), [], 4, "SW511", "lower degree"],
  ["sixty levels", withBody(`${"square(".repeat(60)}x${")".repeat(60)}`), [], 4, "SW511", "lower degree"],
  [
    "six levels at degree 4096",
    withBody(`${"square(".repeat(6)}x${")".repeat(6)}`),
    ["degree=4096"],
    4,
    "SW503",
    "leave 'degree' out",
  ],
  ["40 bits at degree 4096", good, ["degree=4096", "precision=40"], 4, "SW510", "set precision to 1"],
  ["256-bit security at degree 1024", good, ["degree=1024", "security=256"], 6, "SW502", "a degree from 2048"],
  ["evaluation in a megabyte", good, ["max_memory=1"], 5, "SW405", "set max_memory to"],
] as const)(
  "F38: %s cannot be had, and the nearest that can is named",
  async ([, text, settings, exit, id, remedy]) => {
    const refusal = await refusedText(text, ...settings.flatMap((s) => ["--set", s]));
    expect([refusal.exit, refusal.id, refusal.help]).toEqual([exit, id, expect.stringContaining(remedy)]);
    expect(refusal.message).not.toMatch(/Infinity|NaN/);
  },
);
