import type { onnx } from "onnx-proto";
import { diagnose, type FilePlace, fail, isProblem, type Problem, SealwrightError } from "../base/diagnostic.ts";

/** Opens the data files that lie beside a model. */
export interface OnnxHost {
  /**
   * The file at `location`, a relative path with `/` that does not lead out of the model's folder by its text, in which the
   * tensor of this name has its data.
   */
  external(location: string, tensor: string): ExternalFile | Problem;
}

export interface ExternalFile {
  /** In bytes. */
  readonly size: number;
  /** The bytes from `offset`; fewer than asked for when the file is no longer what it was. */
  read(offset: number, length: number): Uint8Array;
}

/** What a tensor says of data outside the file. */
interface Wanted {
  readonly name: string;
  readonly bytesNeeded: number;
  readonly place: FilePlace;
  readonly host: OnnxHost;
}

const keys = ["location", "offset", "length", "checksum"];

/** A function that reads from the data of a tensor in another file. The path is judged before anything is opened. */
export function externalBytes(
  entries: readonly onnx.IStringStringEntryProto[],
  { name, bytesNeeded, place, host }: Wanted,
): (at: number, size: number) => Uint8Array {
  const given = new Map<string, string>();
  const path = entries.find(({ key }) => key === "location")?.value ?? "";
  const wrong = (reason: string): never => fail("onnx-external-data", place, { name, path, reason });
  for (const { key, value } of entries) {
    const known = key ?? "";
    if (!keys.includes(known)) wrong(`'${known}' says nothing about it; known are ${keys.join(", ")}`);
    if (given.has(known)) wrong(`'${known}' is given twice`);
    given.set(known, value ?? "");
  }
  if (!given.has("location")) wrong("its location is not given");
  const reason = pathProblem(path);
  if (reason !== undefined) fail("onnx-external-path", place, { name, path, reason });
  const whole = (key: string, fallback: number): number => {
    const text = given.get(key);
    if (text === undefined) return fallback;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return Number.isSafeInteger(value) ? value : wrong(`'${key}' is '${text}', needed is a count of bytes`);
  };
  const offset = whole("offset", 0);
  const length = whole("length", bytesNeeded);
  if (length !== bytesNeeded) wrong(`${length} bytes are promised, the tensor needs ${bytesNeeded}`);

  const file = host.external(path, name);
  if (isProblem(file)) throw new SealwrightError([diagnose(file.problem, place, file.params as never)]);
  if (offset + length > file.size) {
    wrong(`the file has ${file.size} bytes, the tensor needs bytes ${offset} to ${offset + length}`);
  }
  return (at, size) => {
    const found = file.read(offset + at, size);
    return found.length === size ? found : wrong("it changed while it was read");
  };
}

/** What makes a path unfit for the name of a data file; undefined for a relative path that stays where it starts. */
function pathProblem(path: string): string | undefined {
  if (path === "") return "the path is empty";
  if (/\p{Cc}/u.test(path)) return "there is a control character in it";
  if (path.includes("\\")) return "there is a backslash in it";
  if (path.startsWith("/")) return "it is an absolute path";
  if (/^[a-z][a-z0-9+.-]*:/i.test(path)) return "it begins like a URL or a drive";
  if (/%[0-9a-f]{2}/i.test(path)) return "parts of it are percent-encoded";
  const parts = path.split("/");
  if (parts.includes("..")) return "'..' leads out of a folder";
  return parts.at(-1) === "" || parts.at(-1) === "." ? "it names a folder" : undefined;
}
