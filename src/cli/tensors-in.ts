import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fail } from "../base/diagnostic.ts";
import { elementCount, type Tensor } from "../base/tensor.ts";
import { layerName } from "../onnx/index.ts";
import { checkInputs, type InputOptions } from "../plan/inputs.ts";
import type { ValuePort } from "../plan/plan.ts";
import { readNpy } from "../weights/npy.ts";
import { chosen } from "./flags.ts";
import type { Io } from "./io.ts";
import { decodeSource, readBytes } from "./read-file.ts";

/** Inputs are small beside weights; more than this is a wrong file. */
const maxInputBytes = 2 ** 30;

/** What a flag `--input` says: a file, for a named input or for the only one. */
interface InputFlag {
  readonly name: string | undefined;
  readonly path: string;
}

/** The files that `--input` flags name, for checks of outputs against them. */
export function inputPaths(io: Io, ports: readonly ValuePort[], flags: readonly string[]): string[] {
  return flags.map((flag) => readFlag(io, ports, flag).path);
}

/**
 * Reads the tensors of all inputs of a model: `--input F` for the only one, `--input name=F` for each of several.
 * Files are `.npy`, or text with numbers between commas, spaces and line ends in row-major order.
 */
export function readInputs(
  io: Io,
  ports: readonly ValuePort[],
  flags: readonly string[],
  options: InputOptions,
): Map<string, Tensor> {
  const known = ports.map((port) => port.name);
  const tensors = new Map<string, Tensor>();
  for (const flag of flags) {
    const { name: given, path } = readFlag(io, ports, flag);
    const name = given ?? (known.length === 1 ? known[0]! : undefined);
    if (name === undefined)
      fail("bad-usage", "nowhere", {
        text: `'--input ${flag}' does not say which input it is for`,
        hint: `write --input ${known[0]}=${path}`,
      });
    const port = chosen("input", name, ports, (p) => p.name);
    if (tensors.has(name))
      fail("bad-usage", "nowhere", { text: `the input '${name}' is given twice`, hint: "give each input once" });
    tensors.set(name, readInput(io, path, port));
  }
  for (const name of known) if (!tensors.has(name)) fail("input-not-given", "nowhere", { name, known });
  return checkInputs(ports, tensors, options);
}

/**
 * `name=path`, unless that whole text is the name of a file; a path may contain an equals sign. An input of an ONNX model may
 * be called as it is there or as the network calls it.
 */
function readFlag(io: Io, ports: readonly ValuePort[], flag: string): InputFlag {
  const at = flag.indexOf("=");
  const name = flag.slice(0, Math.max(at, 0));
  const port = ports.find((p) => p.name === name) ?? ports.find((p) => p.name === layerName(name));
  if (at > 0 && (port !== undefined || (/^[\w.]+$/.test(name) && !existsSync(resolve(io.cwd, flag))))) {
    return { name: port?.name ?? name, path: flag.slice(at + 1) };
  }
  return { name: undefined, path: flag };
}

function readInput(io: Io, path: string, port: ValuePort): Tensor {
  const bytes = readBytes(io, path, maxInputBytes);
  if (bytes[0] === 0x93) return readNpy(bytes, path);
  const data = parseNumbers(decodeSource(bytes, path).text, path);
  const { name, shape } = port;
  if (data.length !== elementCount(shape))
    fail("input-shape", { path }, { name, found: [data.length], elements: data.length, shape });
  return { shape, data };
}

/** Numbers between commas, semicolons or white space; lines that begin with `#` are skipped. An empty cell is an error. */
export function parseNumbers(text: string, path: string): Float64Array {
  const numbers: number[] = [];
  for (const [row, line] of text.split(/\r\n|\r|\n/).entries()) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    const separator = /[,;]/.test(content) ? /\s*[,;]\s*/ : /\s+/;
    for (const [column, cell] of content.split(separator).entries()) {
      const value = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(cell) ? Number(cell) : Number.NaN;
      if (!Number.isFinite(value))
        fail(
          "bad-cell",
          { path, part: `row ${row + 1}` },
          { row: row + 1, column: column + 1, found: cell.slice(0, 40) },
        );
      numbers.push(value);
    }
  }
  return Float64Array.from(numbers);
}
