// Faults of files, of the environment and of the host program.
import { execFile, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { run } from "./cli-io.ts";
import { faultAnswer, faultInput, faultModel, writeFaultModel } from "./faults-model.ts";
import { contents, refused } from "./faults-refusal.ts";

const root = join(import.meta.dirname, "..");
const bin = join(root, "src", "cli", "bin.ts");
const folder = fs.mkdtempSync("/tmp/sealwright-faults-");
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  writeFaultModel(folder);
  fs.mkdirSync(at("keys"));
  for (const argv of [
    ["compile", "m.hen"],
    ["keygen", "m.plan", "-d", "keys"],
    ["encrypt", "m.plan", "--key", "keys/secret.key", "-i", "x.csv"],
  ]) {
    expect(await run(folder, ...argv)).toMatchObject({ code: 0 });
  }
  return () => fs.rmSync(folder, { recursive: true, force: true });
});

/** Every command that writes, with the flag that says where. */
const writers: readonly (readonly string[])[] = [
  ["compile", "m.hen", "-o"],
  ["compile", "m.hen", "--stop-after", "pack", "-o"],
  ["client-bundle", "m.plan", "-o"],
  ["encrypt", "m.plan", "--key", "keys/secret.key", "-i", "x.csv", "-o"],
  ["evaluate", "m.plan", "--keys", "keys/evaluation.keys", "-o"],
  ["decrypt", "m.plan", "--key", "keys/secret.key", "-i", "inputs.ct", "-o"],
  ["run", "m.plan", "-i", "x.csv", "--machine", "sim", "-o"],
];

it.for(writers)(
  "F71: %s %s keeps what exists and never writes on what it reads, a folder, a link or a device",
  async (argv) => {
    fs.writeFileSync(at("old"), "old");
    fs.symlinkSync("old", at("link"));
    fs.symlinkSync("nowhere", at("dangling"));
    const [, input] = argv as [string, string];
    expect(await refused(folder, ...argv, "old")).toMatchObject({ exit: 2, id: "SW903", place: { path: "old" } });
    for (const path of [input, `./${input}`, `keys/../${input}`]) {
      expect(await refused(folder, ...argv, path, "--force")).toMatchObject({ exit: 2, id: "SW904", place: { path } });
    }
    for (const path of ["keys", "link", "dangling", "/dev/full", "/dev/null"]) {
      expect(await refused(folder, ...argv, path, "--force")).toMatchObject({ exit: 2, id: "SW905", place: { path } });
    }
    expect(await refused(folder, ...argv, "no/such/folder/f")).toMatchObject({ exit: 2, id: "SW906" });
    for (const name of ["old", "link", "dangling"]) fs.unlinkSync(at(name));
  },
);

it("F71: neither weights nor imports nor keys of a command can become its output", async () => {
  expect(await refused(folder, "compile", "m.hen", "-o", "w.safetensors", "--force")).toMatchObject({
    exit: 2,
    id: "SW904",
  });
  fs.mkdirSync(at("imports"));
  fs.writeFileSync(at("imports/blocks.hen"), "block twice(v) { return v + v }\n");
  fs.writeFileSync(
    at("imports/i.hen"),
    'import "blocks.hen"\nnetwork i {\n  input x: [2] in 0 .. 1\n  output y = twice(x)\n}\n',
  );
  expect(await refused(folder, "compile", "imports/i.hen", "-o", "imports/blocks.hen", "--force")).toMatchObject({
    exit: 2,
    id: "SW904",
  });
  const evaluate = ["evaluate", "m.plan", "--keys", "keys/evaluation.keys", "--force", "-o"];
  for (const path of ["keys/evaluation.keys", "inputs.ct"]) {
    expect(await refused(folder, ...evaluate, path)).toMatchObject({ exit: 2, id: "SW904" });
  }
  fs.rmSync(at("imports"), { recursive: true });
});

it("F71: --force replaces a file whole", async () => {
  fs.writeFileSync(at("y.npy"), "x".repeat(100_000));
  expect(
    await run(folder, "run", "m.plan", "-i", "x.csv", "--machine", "float", "-o", "y.npy", "--force"),
  ).toMatchObject({ code: 0 });
  expect(fs.statSync(at("y.npy")).size).toBe(128 + 8 * 8);
  fs.unlinkSync(at("y.npy"));
});

it.runIf(fs.existsSync("/proc/version"))(
  "F71: a place that takes no files is one message and exit code 7",
  async () => {
    expect(await refused(folder, "compile", "m.hen", "-o", "/proc/m.plan")).toMatchObject({ exit: 7, id: "SW907" });
  },
);

it("F72: a secret key is its owner's alone, whatever the umask, and no key is overwritten", async () => {
  fs.mkdirSync(at("open"));
  const script = `umask 000; "${process.execPath}" "${bin}" keygen m.plan -d open`;
  expect(spawnSync("bash", ["-c", script], { cwd: folder, encoding: "utf8" })).toMatchObject({ status: 0, stdout: "" });
  expect(fs.statSync(at("open/secret.key")).mode & 0o777).toBe(0o600);
  expect(await refused(folder, "keygen", "m.plan", "-d", "open")).toMatchObject({ exit: 2, id: "SW903" });
  fs.unlinkSync(at("open/secret.key"));
  // Half a pair in place stops it too: new keys beside an old one would not fit.
  expect(await refused(folder, "keygen", "m.plan", "-d", "open")).toMatchObject({ exit: 2, id: "SW903" });
  fs.rmSync(at("open"), { recursive: true });
});

const longName = "n".repeat(200);
const longPath = `${Array.from({ length: 18 }, () => longName).join("/")}/`;

it.for([
  "with space",
  "caf\u00e9",
  "cafe\u0301",
  "new\nline",
  "-dash",
  "模型",
  "quote'\"",
  "$HOME;`x`",
  "#hash",
  "back\\slash",
  "a=b",
  longPath,
])("F73: the path %j works for models, weights, plans, inputs and outputs", async (name) => {
  const inner = at(`paths/${name}`);
  const file = name.endsWith("/") ? "f" : name;
  fs.mkdirSync(inner, { recursive: true });
  const weights = `${file}.safetensors`;
  const quoted = weights.replace(/["\\\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
  fs.copyFileSync(at("w.safetensors"), join(inner, weights));
  fs.writeFileSync(
    join(inner, `${file}.hen`),
    faultModel.replace("w.safetensors", () => quoted),
  );
  fs.copyFileSync(at("x.csv"), join(inner, `${file}.csv`));
  const ran = [
    await run(inner, "compile", "-o", `${file}.plan`, "--", `${file}.hen`),
    await run(inner, "run", "--machine", "float", `--input=${file}.csv`, "-o", `${file}.npy`, "--", `${file}.plan`),
    await run(
      inner,
      "run",
      "--machine",
      "float",
      "--json",
      `--input=x=${join(inner, `${file}.csv`)}`,
      "--",
      `./${file}.plan`,
    ),
  ];
  expect(ran.map(({ code, err }) => (code === 0 ? 0 : err))).toEqual([0, 0, 0]);
  expect(JSON.parse(ran[2]!.out).outputs.y.data[0]).toBeCloseTo(faultAnswer()[0]!, 12);
  expect(fs.readdirSync(inner).sort()).toEqual(
    ["csv", "hen", "npy", "plan", "safetensors"].map((e) => `${file}.${e}`).sort(),
  );
});

it("F73: names that differ only in how an accent is written are two files", async () => {
  expect(await run(folder, "compile", "m.hen", "-o", "\u00e9.plan")).toMatchObject({ code: 0 });
  expect(await refused(folder, "inspect", "e\u0301.plan")).toMatchObject({ exit: 3, id: "SW910" });
  fs.unlinkSync(at("\u00e9.plan"));
});

/** Runs a script in a Node of its own, beside the model. */
function script(text: string, ...flags: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...flags, "--input-type=module", "-e", text],
      { cwd: folder },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

const library = pathToFileURL(join(root, "src", "index.ts")).href;
const compileAndRun = (before: string) => `
  const { compileModel, hostOf, readSafetensors, runPlan } = await import(${JSON.stringify(library)});
  const { readFileSync } = await import("node:fs");
  ${before}
  const { tensors } = readSafetensors(new Uint8Array(readFileSync("w.safetensors")), "w.safetensors");
  const { plan } = compileModel({ path: "m.hen", text: readFileSync("m.hen", "utf8") }, hostOf(tensors));
  const inputs = new Map([["x", { shape: [4], data: Float64Array.from(${JSON.stringify(faultInput)}) }]]);
  console.log(plan.id, ...(await runPlan(plan, inputs, "seal")).get("y").data);
`;

const planId = () =>
  /[0-9a-f]{64}/.exec(fs.readFileSync(at("m.plan"), "latin1").match(/planId\\?":\\?"[0-9a-f]{64}/)![0])![0];

it.for([
  [
    "an Object.prototype that the host has polluted",
    `
    Object.prototype.toJSON2 = 1; Object.prototype.shape = [9]; Object.prototype.range = [0, 0]; Object.prototype.insecure = true;
    Object.prototype.clamp = true; Object.prototype.name2 = "x"; Array.prototype.extra = () => 1;`,
    [],
  ],
  ["frozen intrinsics", "", ["--frozen-intrinsics"]],
  ["neither __proto__ nor eval", "", ["--disable-proto=delete", "--disallow-code-generation-from-strings"]],
] as const)("F74: with %s the library compiles the same plan and answers right", async ([, before, flags]) => {
  const { code, out, err } = await script(compileAndRun(before), ...flags);
  expect([code, code === 0 ? "" : err]).toEqual([0, ""]);
  const [id, ...data] = out.trim().split(" ");
  expect(id).toBe(planId());
  expect(Math.max(...faultAnswer().map((v, i) => Math.abs(v - Number(data[i]))))).toBeLessThan(2 ** -6);
});

it("F74: options that a polluted prototype seems to give are not taken: nothing becomes insecure or clamped", async () => {
  const { code, out, err } = await script(`
    const { compileModel, encryptInputs, generateKeys, hostOf, openPlan, openSession, runPlan } = await import(${JSON.stringify(library)});
    const text = "network n { input x: [2] in 0 .. 1\\n output y = square(x) }\\n target seal { precision = 4\\n degree = 2048 }";
    const file = { path: "n.hen", text };
    const { plan, bytes } = compileModel(file, hostOf(new Map()), { insecure: true });
    const safe = compileModel({ path: "n.hen", text: text.replace("2048", "4096") }, hostOf(new Map())).plan;
    for (const key of ["insecure", "allowInsecure", "clamp"]) Object.prototype[key] = true;
    const far = new Map([["x", { shape: [2], data: Float64Array.of(0.5, 9) }]]);
    const keys = await generateKeys(safe);
    const calls = [
      () => compileModel(file, hostOf(new Map())),
      () => openPlan(bytes, "n.plan"),
      () => generateKeys(plan),
      () => openSession(plan, {}),
      () => encryptInputs(safe, keys.secretKey, far, {}),
      () => runPlan(safe, far, "sim"),
      () => runPlan(safe, far, "seal"),
    ];
    for (const call of calls) {
      try {
        await call();
        console.log("accepted");
      } catch (error) {
        console.log(error.first?.id ?? error);
      }
    }
    process.exit();
  `);
  expect([code, code === 0 ? "" : err]).toEqual([0, ""]);
  expect(out.trim().split("\n")).toEqual(["SW503", "SW714", "SW821", "SW821", "SW843", "SW843", "SW843"]);
});

it("F74: CommonJS programs can require the library", () => {
  const loaded = createRequire(import.meta.url)("../src/index.ts") as { compileModel: unknown };
  expect(typeof loaded.compileModel).toBe("function");
});

const encrypting = ["encrypt", "m.plan", "--key", "keys/secret.key", "-i", "x.csv", "-o", "new.ct"] as const;

it.for([
  ["is missing", "undefined", [["keygen", "m.plan"], encrypting]],
  ["repeats itself", "{ getRandomValues: (a) => a.fill(7) }", [["run", "m.plan", "-i", "x.csv"]]],
] as const)("F75: where crypto %s no key is made and nothing encrypted", async ([, value, commands]) => {
  // Threads of SEAL begin with globals of their own, so the replacement is loaded into each.
  const preload = at("preload.mjs");
  fs.writeFileSync(
    preload,
    `Object.defineProperty(globalThis, "crypto", { value: ${value}, configurable: true });\nMath.random = () => { throw new Error("Math.random was asked"); };\n`,
  );
  const before = contents(folder);
  const run = (...argv: string[]) =>
    spawnSync(process.execPath, [bin, ...argv], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: `--import ${pathToFileURL(preload).href}` },
    });
  for (const argv of commands) {
    const { status, stdout, stderr } = run(...argv);
    expect([status, stdout, stderr]).toEqual([6, "", expect.stringContaining("SW820")]);
    expect(stderr).not.toContain("Math.random");
  }
  expect(contents(folder)).toEqual(before);
  fs.unlinkSync(preload);
});

it("F76: no package does anything needed in an install script, and nothing is fetched when it runs", async () => {
  const lock = JSON.parse(fs.readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; hasInstallScript?: boolean }>;
  };
  const scripted = Object.entries(lock.packages)
    .filter(([, p]) => p.hasInstallScript && !p.dev)
    .map(([name]) => name);
  // All it does is to warn about version ranges of packages that depend on it.
  expect(scripted).toEqual(["node_modules/protobufjs"]);
  const offline = `
    import net from "node:net"; import dns from "node:dns";
    const no = () => { throw new Error("the network was asked"); };
    net.Socket.prototype.connect = dns.lookup = globalThis.fetch = no;`;
  const { code, err } = await script(`${offline}\n${compileAndRun("")}`);
  expect([code, code === 0 ? "" : err]).toEqual([0, ""]);
});
