import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fail } from "../base/diagnostic.ts";
import { elementCount } from "../base/tensor.ts";
import { type GateSample, outputPorts } from "../driver/gates.ts";
import { type SampleFile, samplesIn } from "../driver/samples.ts";
import { classOutput } from "../driver/task-gate.ts";
import type { Graph } from "../ir/graph.ts";
import { inputPorts } from "../plan/inputs.ts";
import type { Tensors } from "../plan/machine.ts";
import { wantedNames } from "../train/data.ts";
import type { Io } from "./io.ts";
import { decodeSource, readBytes } from "./read-file.ts";
import { dealtSamples, readArrays } from "./sample-files.ts";
import { parseNumbers } from "./tensors-in.ts";

/** Where to look for samples and their answers. */
export interface GateData {
  readonly files: readonly string[];
  /** A file of numbers, or the name of an array in the archives of the data, where it is called `labels` unless said otherwise. */
  readonly labels?: string | undefined;
  /** A file with an array for each output. */
  readonly expected?: string | undefined;
  /** Take no more samples than this. */
  readonly limit?: number | undefined;
}

/** Samples of a network with what is known of their answers. Throws a SealwrightError where these do not fit together. */
export function* gateSamples(io: Io, network: Graph, data: GateData): Generator<GateSample> {
  const { files, labels: named, limit } = data;
  const isFile = named !== undefined && existsSync(resolve(io.cwd, named));
  const stored = isFile ? readLabels(io, named) : undefined;
  const expected = data.expected === undefined ? undefined : expectedIn(io, data.expected, network);
  const ports = inputPorts(network);
  const inputsAmong = (arrays: Tensors) =>
    new Map([...arrays].filter(([name]) => ports.some((port) => port.name === name) || !isAnswer(name, named)));

  if (stored !== undefined || expected !== undefined) {
    const counts = files.map((path) => samplesIn(ports, inputsAmong(readArrays(io, path)), path).count);
    const samples = counts.reduce((sum, count) => sum + count, 0);
    const differs = (what: string, count: number) => fail("data-counts-differ", "nowhere", { what, count, samples });
    if (stored !== undefined && stored.length !== samples) differs("labels", stored.length);
    if (expected !== undefined && expected.count !== samples) differs("expected outputs", expected.count);
  }

  const deal = (arrays: Tensors, path: string) => {
    const { count, samples } = samplesIn(ports, inputsAmong(arrays), path);
    const labels = isFile ? undefined : labelsAmong(arrays, count, named, path);
    return { count, samples: labelled(samples, labels) };
  };
  const answers = expected?.samples[Symbol.iterator]();
  const classes = classCount(network);
  let index = 0;
  for (const sample of dealtSamples(io, files, limit, deal)) {
    const label = stored?.[index] ?? sample.label;
    index++;
    if (label !== undefined && !(Number.isInteger(label) && label >= 0 && label < classes))
      fail("bad-label", sample.place ?? "nowhere", { sample: index, found: label, classes });
    yield { ...sample, label, expected: answers?.next().value?.inputs };
  }
}

/** Whether an array of an archive holds what is right rather than an input. */
function isAnswer(name: string, labels: string | undefined): boolean {
  return name === labels || wantedNames.some((wanted) => wanted === name);
}

function labelsAmong(
  arrays: Tensors,
  count: number,
  named: string | undefined,
  path: string,
): Float64Array | undefined {
  const found = arrays.get(named ?? "labels");
  if (found === undefined)
    return named === undefined ? undefined : fail("labels-missing", { path }, { name: named, path });
  const { shape, data } = found;
  if (data.length !== count || shape.filter((size) => size !== 1).length > 1)
    fail("target-shape", { path }, { array: named ?? "labels", found: shape, needed: [count] });
  return data;
}

function* labelled(samples: SampleFile["samples"], labels: Float64Array | undefined): Generator<GateSample> {
  let i = 0;
  for (const sample of samples) yield { ...sample, label: labels?.[i++] };
}

function readLabels(io: Io, path: string): Float64Array {
  const bytes = readBytes(io, path);
  // Everything but text begins with a byte that no number begins with.
  if (/^[-+.\d#\s]/.test(String.fromCharCode(bytes[0] ?? 32)))
    return parseNumbers(decodeSource(bytes, path).text, path);
  const arrays = readArrays(io, path);
  const found = arrays.get("labels") ?? (arrays.size === 1 ? [...arrays.values()][0] : undefined);
  if (found === undefined) return fail("labels-missing", { path }, { name: "labels", path });
  const { shape, data } = found;
  if (shape.filter((size) => size !== 1).length > 1)
    fail("target-shape", { path }, { array: "labels", found: shape, needed: [shape[0]!] });
  return data;
}

function expectedIn(io: Io, path: string, network: Graph): SampleFile {
  // What outputs are is no matter of ranges.
  const everything = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  const ports = outputPorts(network).map((port) => ({ ...port, range: everything }));
  return samplesIn(ports, readArrays(io, path), path);
}

/** How many classes the network tells apart; without an output of classes, any number may be a label. */
function classCount(network: Graph): number {
  const outputs = outputPorts(network);
  const output = outputs.find(({ name }) => name === classOutput(outputs));
  return output === undefined ? Number.POSITIVE_INFINITY : elementCount(output.shape);
}
