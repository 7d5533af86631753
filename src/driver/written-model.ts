import type { Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import type { Target } from "../ir/model.ts";
import { printNetwork } from "../ir/print-network.ts";
import type { ReadModel } from "./read-model.ts";

/** A network as a model of its own. */
export interface WrittenModel {
  readonly text: string;
  /** What belongs into the file that the text names. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** A network with the targets of the model it was made of, but for the settings that asked for what has been done. */
export function writtenModel(
  graph: Graph,
  { targets = [] }: Pick<ReadModel, "targets">,
  weightsFile: string,
  isDone: (key: string) => boolean = () => false,
): WrittenModel {
  const { text, tensors: weights } = printNetwork(graph, weightsFile);
  return { text: [text, ...targets.map((target) => targetText(target, isDone))].join("\n"), weights };
}

function targetText({ name, entries }: Target, isDone: (key: string) => boolean): string {
  const lines = entries
    .filter(({ key }) => !isDone(key))
    .map(({ span: { file, start, end } }) => `  ${file.text.slice(start, end)}\n`);
  return `target ${name} {\n${lines.join("")}}\n`;
}
