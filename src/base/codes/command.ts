import { code } from "./code.ts";

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MB`;

/** SW9xx: the command line and the files it touches. */
export const commandCodes = {
  "bad-usage": code<{ text: string; hint: string }>({
    id: "SW901",
    severity: "error",
    exit: 2,
    message: (p) => p.text,
    help: (p) => p.hint,
  }),
  "unknown-choice": code<{ kind: string; found: string; suggestion?: string | undefined; known: readonly string[] }>({
    id: "SW902",
    severity: "error",
    exit: 2,
    message: (p) => `there is no ${p.kind} named '${p.found}'`,
    help: (p) => (p.suggestion === undefined ? `known: ${p.known.join(", ")}` : `did you mean '${p.suggestion}'?`),
  }),
  "output-exists": code<{ path: string }>({
    id: "SW903",
    severity: "error",
    exit: 2,
    message: (p) => `'${p.path}' exists already and was left as it is`,
    help: "choose another name, or give --force to replace it",
  }),
  "output-is-input": code<{ path: string }>({
    id: "SW904",
    severity: "error",
    exit: 2,
    message: (p) => `'${p.path}' is read by this command, so it cannot be its output as well`,
    help: "write to another file",
  }),
  "output-not-a-file": code<{ path: string; found: string }>({
    id: "SW905",
    severity: "error",
    exit: 2,
    message: (p) => `cannot write to '${p.path}': it is ${p.found}, allowed is a regular file or a new name`,
    help: "name a file in an existing folder",
  }),
  "no-output-folder": code<{ path: string }>({
    id: "SW906",
    severity: "error",
    exit: 2,
    message: (p) => `the folder '${p.path}' does not exist`,
    help: "make the folder first, or write somewhere else",
  }),
  "cannot-write": code<{ path: string; reason: string }>({
    id: "SW907",
    severity: "error",
    exit: 7,
    message: (p) => `writing '${p.path}' failed: ${p.reason}`,
    help: "nothing was changed; free some space or choose a place you may write to, then run the command again",
  }),
  "no-such-file": code<{ path: string; suggestion?: string | undefined }>({
    id: "SW910",
    severity: "error",
    exit: 3,
    message: (p) => `there is no file '${p.path}'`,
    help: (p) =>
      p.suggestion === undefined ? "check the spelling and the folder you are in" : `did you mean '${p.suggestion}'?`,
  }),
  "not-a-file": code<{ path: string; found: string }>({
    id: "SW911",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.path}' is ${p.found}, allowed is a regular file`,
    help: "give the path of a regular file; folders, pipes and devices are not read",
  }),
  "file-too-large": code<{ path: string; bytes: number; limit: number }>({
    id: "SW912",
    severity: "error",
    exit: 5,
    message: (p) => `'${p.path}' has ${megabytes(p.bytes)}, at most ${megabytes(p.limit)} are read`,
    help: "check that this is the right file",
  }),
  "cannot-read": code<{ path: string; reason: string }>({
    id: "SW913",
    severity: "error",
    exit: 3,
    message: (p) => `reading '${p.path}' failed: ${p.reason}`,
    help: "check that you may read the file",
  }),
  "wrong-file-kind": code<{ path: string; found: string; needed: string }>({
    id: "SW915",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.path}' looks like ${p.found}, needed is ${p.needed}`,
    help: "give a model in .hen text, or a plan made by 'sealwright compile'",
  }),
  "path-outside-model": code<{ path: string; folder: string }>({
    id: "SW920",
    severity: "error",
    exit: 6,
    message: (p) => `'${p.path}' lies outside the model's folder '${p.folder}', so it was not opened`,
    help: "copy the file into the folder of the model",
  }),
  "input-not-given": code<{ name: string; known: readonly string[] }>({
    id: "SW930",
    severity: "error",
    exit: 2,
    message: (p) => `the model's input '${p.name}' was not given`,
    help: (p) => p.known.map((name) => `--input ${p.known.length === 1 ? "" : `${name}=`}FILE.npy`).join(" "),
  }),
  "bad-cell": code<{ row: number; column: number; found: string }>({
    id: "SW932",
    severity: "error",
    exit: 3,
    message: (p) =>
      `row ${p.row}, column ${p.column} holds '${p.found}', allowed is a finite number such as -0.25 or 1e-3`,
    help: "separate numbers by commas or spaces and write fractions with a point",
  }),
  "bad-cost-table": code<{ path: string; reason: string }>({
    id: "SW940",
    severity: "error",
    exit: 3,
    message: (p) => `the cost table '${p.path}' cannot be used: ${p.reason}`,
    help: "run 'sealwright calibrate' again or delete the file; with '--cost-table default' it is not read",
  }),
} as const;
