import { basename, dirname, join } from "node:path";
import type { WrittenModel } from "../driver/written-model.ts";
import { writeWeights } from "../weights/safetensors.ts";
import type { OutputFile } from "./write-file.ts";

/** Where the weights of a model's text go: beside it. */
export interface WeightsPlace {
  /** As the text names it. */
  readonly name: string;
  readonly path: string;
}

export function weightsBeside(text: string): WeightsPlace {
  const name = `${basename(text).replace(/\.hen$/i, "")}.safetensors`;
  return { name, path: join(dirname(text), name) };
}

/** The files of a model whose text goes to `path`, the text last: where it is, its weights are. Of circulant weights first columns are stored. */
export function modelFiles(path: string, { text, weights }: WrittenModel): OutputFile[] {
  const files: OutputFile[] =
    weights.size > 0 ? [{ path: weightsBeside(path).path, bytes: writeWeights(weights) }] : [];
  return [...files, { path, bytes: text }];
}
