import { mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { Pass } from "../../passes/pass.ts";
import { pipeline } from "../../passes/pipeline.ts";
import { fail } from "../base/diagnostic.ts";
import { sameShape, type Tensor } from "../base/tensor.ts";
import type { PassObserver } from "../driver/pass-manager.ts";
import type { Graph } from "../ir/graph.ts";
import { graphTensors, printGraph } from "../ir/print.ts";
import { formatShare, formatTime } from "../report/quantities.ts";
import { table } from "../report/table.ts";
import { writeWeights } from "../weights/safetensors.ts";
import { chosen, repeated } from "./flags.ts";
import type { Io } from "./io.ts";
import { reasonOf } from "./read-file.ts";
import { type OutputFile, writeFiles } from "./write-file.ts";

/** Flags that watch passes, shared by `compile` and `opt`. */
export interface PassFlags {
  readonly printAfter?: readonly string[];
  readonly printAfterAll?: boolean;
  readonly dumpDir?: string;
  readonly timePasses?: boolean;
  readonly force?: boolean;
}

export function addPassFlags(command: Command): Command {
  return command
    .option("--print-after <pass>", "print the graph to stderr after this pass (may be repeated)", repeated)
    .option("--print-after-all", "print the graph to stderr after every pass")
    .option("--dump-dir <folder>", "write the graph after every pass to files such as 03-pack.hen")
    .option("--time-passes", "print how long each pass took to stderr");
}

export interface PassWatch {
  readonly observer: PassObserver;
  /** Writes what was asked for; also after a failure, when it is wanted most. */
  finish(): void;
}

/** What the flags ask for, as an observer of the pass manager. */
export function watchPasses(io: Io, flags: PassFlags): PassWatch {
  for (const name of flags.printAfter ?? []) chosen("pass", name, pipeline, (pass) => pass.name);
  const times: { readonly name: string; readonly milliseconds: number }[] = [];
  const dumps: { readonly name: string; readonly graph: Graph }[] = [];
  const began = io.now();
  return {
    observer: {
      now: () => io.now(),
      doing: (text) => io.progress(text),
      after(pass: Pass, graph: Graph, milliseconds: number, index: number) {
        io.progress(`${pass.name} done`, Math.min(1, (index + 1) / pipeline.length));
        times.push({ name: pass.name, milliseconds });
        if (flags.printAfterAll || flags.printAfter?.includes(pass.name))
          io.err(`# after ${pass.name}\n${printGraph(graph)}\n`);
        if (flags.dumpDir !== undefined)
          dumps.push({ name: `${String(index + 1).padStart(2, "0")}-${pass.name}`, graph });
      },
    },
    finish() {
      if (flags.timePasses) io.err(timeTable(times, io.now() - began));
      if (flags.dumpDir !== undefined) writeDumps(io, flags.dumpDir, dumps, flags.force);
    },
  };
}

function timeTable(times: readonly { readonly name: string; readonly milliseconds: number }[], total: number): string {
  const rest = total - times.reduce((sum, t) => sum + t.milliseconds, 0);
  return table(
    [
      { title: "pass", align: "left", cell: (t) => t.name },
      { title: "time", align: "right", cell: (t) => formatTime(t.milliseconds) },
      { title: "share", align: "right", cell: (t) => formatShare(t.milliseconds, total) },
    ],
    [...times, { name: "(all else)", milliseconds: Math.max(0, rest) }],
  );
}

/** Writes one text per pass, and the tensors they mention as `@name`. */
function writeDumps(
  io: Io,
  folder: string,
  dumps: readonly { readonly name: string; readonly graph: Graph }[],
  force: boolean | undefined,
): void {
  try {
    mkdirSync(resolve(io.cwd, folder), { recursive: true });
  } catch (error) {
    fail("cannot-write", { path: folder }, { path: folder, reason: reasonOf(error) });
  }
  const shared: Map<string, Tensor>[] = [];
  const texts = dumps.map(({ name, graph }): OutputFile => {
    const tensors = graphTensors(graph);
    if (tensors.size === 0) return { path: join(folder, `${name}.hen`), bytes: printGraph(graph) };
    // Most passes leave the weights alone: one file serves all dumps until a name stands for other numbers.
    let last = shared.at(-1);
    if (last === undefined || [...tensors].some(([key, tensor]) => differs(tensor, last!.get(key)))) {
      last = new Map();
      shared.push(last);
    }
    for (const [key, tensor] of tensors) last.set(key, tensor);
    return { path: join(folder, `${name}.hen`), bytes: printGraph(graph, { weights: weightsFile(shared.length) }) };
  });
  const weights = shared.map((tensors, i) => ({
    path: join(folder, weightsFile(i + 1)),
    bytes: writeWeights(tensors),
  }));
  writeFiles(io, [...texts, ...weights], { force });
}

function weightsFile(number: number): string {
  return number === 1 ? "weights.safetensors" : `weights-${number}.safetensors`;
}

/** Whether a name that is taken stands for another tensor. */
function differs(tensor: Tensor, taken: Tensor | undefined): boolean {
  if (taken === undefined || taken === tensor) return false;
  return !sameShape(taken.shape, tensor.shape) || taken.data.some((value, i) => !Object.is(value, tensor.data[i]));
}

/** A graph as a text file, and beside it the tensors its text mentions as `@name`. */
export function graphFiles(path: string, graph: Graph): OutputFile[] {
  const tensors = graphTensors(graph);
  if (tensors.size === 0) return [{ path, bytes: printGraph(graph) }];
  const weights = `${basename(path, ".hen")}.safetensors`;
  return [
    { path, bytes: printGraph(graph, { weights }) },
    { path: join(dirname(path), weights), bytes: writeWeights(tensors) },
  ];
}
