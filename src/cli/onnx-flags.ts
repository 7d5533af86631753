import { type Command, InvalidArgumentError, Option } from "commander";
import type { Tensor } from "../base/tensor.ts";
import { type OnnxOptions, readTensorFile } from "../onnx/index.ts";
import { readWeights } from "../weights/index.ts";
import { chosen } from "./flags.ts";
import type { Io } from "./io.ts";
import { readBytes } from "./read-file.ts";

/** What a user adds to an ONNX model, by the names the model uses. */
export interface OnnxFlags {
  readonly dim?: ReadonlyMap<string, number>;
  readonly range?: ReadonlyMap<string, readonly [number, number]>;
  /** Paths of files. */
  readonly constant?: ReadonlyMap<string, string>;
}

/** `--dim`, `--range` and `--constant`, each repeated as needed. */
export function addOnnxFlags(command: Command): Command {
  const option = <T>(flags: string, doc: string, read: (text: string) => readonly [string, T]) =>
    new Option(flags, doc).argParser((text: string, before: ReadonlyMap<string, T> = new Map()) => {
      const [name, value] = read(text);
      if (before.has(name)) throw new InvalidArgumentError(`'${name}' is given twice.`);
      return new Map([...before, [name, value]]);
    });
  return command
    .addOption(option("--dim <name=size>", "ONNX: the size of a symbolic dimension, such as batch=1", readDim))
    .addOption(option("--range <name=low..high>", "ONNX: the values an input may have, such as image=0..1", readRange))
    .addOption(
      option("--constant <name=file>", "ONNX: numbers (.npy, .npz, .pb) of an input that is not encrypted", readFile),
    );
}

function readDim(text: string): readonly [string, number] {
  const { name, value } = parted(text, text.lastIndexOf("="), "NAME=SIZE");
  const size = /^\d{1,10}$/.test(value) ? Number(value) : 0;
  if (size < 1 || size > 2 ** 31 - 1) throw new InvalidArgumentError("A size is an integer from 1 to 2147483647.");
  return [name, size];
}

const number = String.raw`[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?`;
const rangePattern = new RegExp(String.raw`^\s*(${number})\s*\.\.\s*(${number})\s*$`);

function readRange(text: string): readonly [string, readonly [number, number]] {
  const form = "NAME=LOW..HIGH";
  const { name, value } = parted(text, text.lastIndexOf("="), form);
  const match = rangePattern.exec(value);
  if (match === null) throw new InvalidArgumentError(`It has the form ${form}, with two numbers.`);
  const [low, high] = [Number(match[1]), Number(match[2])];
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high))
    throw new InvalidArgumentError("LOW is below HIGH, and both are finite.");
  return [name, [low, high]];
}

function readFile(text: string): readonly [string, string] {
  const { name, value } = parted(text, text.indexOf("="), "NAME=FILE");
  return [name, value];
}

function parted(text: string, at: number, form: string): { readonly name: string; readonly value: string } {
  const value = text.slice(at + 1);
  if (at <= 0 || value === "") throw new InvalidArgumentError(`It has the form ${form}.`);
  return { name: text.slice(0, at), value };
}

/** The first of these flags that was given, as the user wrote it. */
export function givenOnnxFlag({ dim, range, constant }: OnnxFlags): string | undefined {
  const given = Object.entries({ dim, range, constant }).find(([, value]) => value !== undefined);
  return given === undefined ? undefined : `--${given[0]}`;
}

/** What the flags say, constants read from their files. */
export function onnxOptionsOf(io: Io, { dim, range, constant = new Map() }: OnnxFlags): OnnxOptions {
  const constants = new Map([...constant].map(([name, path]) => [name, readConstant(io, name, path)]));
  return { ...(dim && { dims: dim }), ...(range && { ranges: range }), constants };
}

/** The tensor of this name in a file, or its only one. */
function readConstant(io: Io, name: string, path: string): Tensor {
  const bytes = readBytes(io, path);
  if (/\.pb$/i.test(path)) return readTensorFile(bytes, path);
  const tensors = [...readWeights(bytes, path)];
  return (tensors.length === 1 ? tensors[0]! : chosen("tensor", name, tensors, ([key]) => key))[1];
}
