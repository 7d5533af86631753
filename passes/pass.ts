import type { Diagnostics } from "../src/base/diagnostic.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { AttrRecord } from "../src/ops/attributes.ts";
import type { Settings } from "./settings.ts";

/** What a pass may look at besides its graph. Its only effect is what it reports. */
export interface PassContext<O = AttrRecord> {
  readonly settings: Settings;
  readonly diagnostics: Diagnostics;
  /** The pass's own options, its defaults filled in. */
  readonly options: O;
}

/** One step of the compiler. Its name is also the name of its file, its flag and its golden folder. */
export interface Pass {
  readonly name: string;
  /** One sentence, shown by `sealwright passes`. */
  readonly doc: string;
  readonly defaults: AttrRecord;
  /** Same input, same output; options that are not given take their defaults. */
  run(graph: Graph, context: Omit<PassContext, "options"> & { readonly options?: AttrRecord }): Graph;
}

interface PassDefinition<O extends AttrRecord> {
  readonly name: string;
  readonly doc: string;
  readonly defaults?: O;
  run(graph: Graph, context: PassContext<O>): Graph;
}

/** Makes a pass. Hides the type of its options, so that passes with different ones fit into one list. */
// biome-ignore lint/complexity/noBannedTypes: a pass without options has none to name.
export function definePass<const O extends AttrRecord = {}>(definition: PassDefinition<O>): Pass {
  const { name, doc, defaults = {} as O } = definition;
  return {
    name,
    doc,
    defaults,
    run: (graph, { settings, diagnostics, options }) =>
      definition.run(graph, { settings, diagnostics, options: { ...defaults, ...options } }),
  };
}
