import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { openModel } from "../src/cli/model-source.ts";
import { decodeSource, readBytes } from "../src/cli/read-file.ts";
import { checkOutput, writeFiles } from "../src/cli/write-file.ts";
import { captured, temporaryFolder } from "./cli-io.ts";

function idOf(action: () => unknown): string {
  try {
    action();
    return "no error";
  } catch (error) {
    if (error instanceof SealwrightError) return error.first.id;
    throw error;
  }
}

it("reads a file as text with the byte order mark skipped", () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "a.hen"), "\ufeffnetwork é {}\r\n");
  expect(decodeSource(readBytes(captured(folder).io, "a.hen"), "a.hen")).toEqual({
    path: "a.hen",
    text: "network é {}\r\n",
  });
});

it("says where a text stops being UTF-8", () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "a.hen"), Buffer.from([0x61, 0xc3, 0xa9, 0xff, 0x62]));
  const bytes = readBytes(captured(folder).io, "a.hen");
  expect(() => decodeSource(bytes, "a.hen")).toThrow("a byte that belongs to no character, at offset 3");
});

it("suggests the file of the folder whose name is closest", () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "LeNet.hen"), "");
  const { io } = captured(folder);
  expect(idOf(() => readBytes(io, "lenet.plan"))).toBe("SW910");
  try {
    readBytes(io, "lenet.plan");
  } catch (error) {
    expect((error as SealwrightError).first.help).toBe("did you mean 'LeNet.hen'?");
  }
});

it("refuses folders, pipes and devices at once", () => {
  const folder = temporaryFolder();
  const { io } = captured(folder);
  execFileSync("mkfifo", [join(folder, "pipe")]);
  expect(idOf(() => readBytes(io, "."))).toBe("SW911");
  expect(idOf(() => readBytes(io, "pipe"))).toBe("SW911");
  expect(idOf(() => readBytes(io, "/dev/zero"))).toBe("SW911");
});

it("refuses a file over the limit before reading it", () => {
  const folder = temporaryFolder();
  for (const [name, bytes] of [
    ["big.hen", 2 ** 27],
    ["big.onnx", 2 ** 40],
  ] as const) {
    fs.writeFileSync(join(folder, name), "");
    fs.truncateSync(join(folder, name), bytes);
    expect(idOf(() => openModel(captured(folder).io, name, {}))).toBe("SW912");
  }
});

it("converts other failures of reading", () => {
  expect(idOf(() => readBytes(captured("/").io, "x".repeat(5000)))).toBe("SW913");
});

it("writes a file whole, with the mode asked for, and leaves nothing beside it", () => {
  const folder = temporaryFolder();
  const { io, partial } = captured(folder);
  writeFiles(io, [{ path: "secret.key", bytes: "abc", mode: 0o600 }], {});
  expect(fs.readdirSync(folder)).toEqual(["secret.key"]);
  expect(fs.readFileSync(join(folder, "secret.key"), "utf8")).toBe("abc");
  expect(fs.statSync(join(folder, "secret.key")).mode & 0o777).toBe(0o600);
  expect(partial()).toEqual([]);
});

it("keeps an existing file unless forced", () => {
  const folder = temporaryFolder();
  const { io } = captured(folder);
  fs.writeFileSync(join(folder, "a"), "old");
  expect(idOf(() => writeFiles(io, [{ path: "a", bytes: "new" }], {}))).toBe("SW903");
  expect(fs.readFileSync(join(folder, "a"), "utf8")).toBe("old");
  writeFiles(io, [{ path: "a", bytes: "new" }], { force: true });
  expect(fs.readFileSync(join(folder, "a"), "utf8")).toBe("new");
});

it("never overwrites what the command reads, not even through another name", () => {
  const folder = temporaryFolder();
  const { io } = captured(folder);
  fs.writeFileSync(join(folder, "a"), "old");
  fs.linkSync(join(folder, "a"), join(folder, "b"));
  for (const path of ["a", "./a", "b"]) {
    expect(idOf(() => checkOutput(io, path, { force: true, inputs: ["a"] }))).toBe("SW904");
  }
});

it("refuses folders, links and devices as outputs, and folders that do not exist", () => {
  const folder = temporaryFolder();
  const { io } = captured(folder);
  fs.writeFileSync(join(folder, "a"), "old");
  fs.symlinkSync("a", join(folder, "link"));
  fs.symlinkSync("nowhere", join(folder, "dangling"));
  for (const path of [".", "link", "dangling", "/dev/full"]) {
    expect(idOf(() => checkOutput(io, path, { force: true }))).toBe("SW905");
  }
  expect(idOf(() => checkOutput(io, "no/such/a", {}))).toBe("SW906");
  expect(fs.readFileSync(join(folder, "a"), "utf8")).toBe("old");
});

it("writes several files or none", () => {
  const folder = temporaryFolder();
  const { io } = captured(folder);
  fs.writeFileSync(join(folder, "b"), "old");
  expect(
    idOf(() =>
      writeFiles(
        io,
        [
          { path: "a", bytes: "1" },
          { path: "b", bytes: "2" },
        ],
        {},
      ),
    ),
  ).toBe("SW903");
  expect(fs.readdirSync(folder)).toEqual(["b"]);
});

it.runIf(process.getuid?.() === 0 && fs.existsSync("/proc/version"))(
  "turns a failing disk into one message and leaves nothing",
  () => {
    // /proc takes no new files, whoever asks.
    const { io, partial } = captured("/proc");
    expect(idOf(() => writeFiles(io, [{ path: "sealwright-test", bytes: "1" }], {}))).toBe("SW907");
    expect(partial()).toEqual([]);
  },
);

it("works on paths with spaces, newlines and letters of any script", () => {
  const folder = temporaryFolder();
  const { io } = captured(folder);
  for (const path of ["with space", "new\nline", "cafe\u0301", "caf\u00e9", "-dash", "模型", "__proto__"]) {
    writeFiles(io, [{ path, bytes: path }], {});
    expect(new TextDecoder().decode(readBytes(io, path))).toBe(path);
  }
});
