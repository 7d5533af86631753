import { type Problem, problem } from "../src/base/diagnostic.ts";
import { nearest } from "../src/base/nearest.ts";
import type { SourceFile } from "../src/base/span.ts";
import type { Tensor } from "../src/base/tensor.ts";

/** What the grammar asks of the world. It never touches files; whoever calls it decides which paths may be read. */
export interface ModelHost {
  /**
   * The weights file at `path`, relative to the file that names it. `undefined` asks for the tensors that lie beside a text
   * which names no file, as dumps and plans do; a problem where there are none.
   */
  weights(path: string | undefined, from: SourceFile): WeightFile | Problem;
  /** The text at `path`, relative to the file that imports it. Its `path` must be the same however it is reached. */
  source(path: string, from: SourceFile): SourceFile | Problem;
}

export interface WeightFile {
  readonly names: readonly string[];
  /** The tensor of one of `names`; a problem where it cannot be read. */
  tensor(name: string): Tensor | Problem;
}

/** A host for texts whose tensors (and imports, by path) are at hand: dumps, plans and tests. */
export function hostOf(
  tensors: ReadonlyMap<string, Tensor>,
  files: ReadonlyMap<string, string> = new Map(),
): ModelHost {
  return {
    weights: () => ({ names: [...tensors.keys()], tensor: (name) => tensors.get(name)! }),
    source: (path) => {
      const text = files.get(path);
      return text === undefined ? problem("no-such-file", { path }) : { path, text };
    },
  };
}

/** The weights files of one model. Each is read at most once, and only when a weight of it is named. */
export class Weights {
  readonly #files: readonly { readonly path: string; readonly file: WeightFile; readonly names: ReadonlySet<string> }[];
  readonly #tensors = new Map<string, Tensor | Problem>();

  constructor(files: readonly { readonly path: string; readonly file: WeightFile }[]) {
    this.#files = files.map((f) => ({ ...f, names: new Set(f.file.names) }));
  }

  /** The tensor called `name`, or what is wrong with the name or the file. */
  find(name: string): Tensor | Problem {
    const known = this.#tensors.get(name);
    if (known !== undefined) return known;
    const holders = this.#files.filter((f) => f.names.has(name));
    const [holder] = holders;
    if (holder === undefined) {
      const meant = nearest(
        name,
        this.#files.flatMap((f) => f.file.names),
      );
      return problem("unknown-weight", { name, file: this.#files.map((f) => f.path).join(" or "), meant });
    }
    const found =
      holders.length > 1
        ? problem("ambiguous-weight", { name, files: holders.map((f) => f.path) })
        : holder.file.tensor(name);
    this.#tensors.set(name, found);
    return found;
  }
}
