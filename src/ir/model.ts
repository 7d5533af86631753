import type { Span } from "../base/span.ts";
import type { AttrValue } from "../ops/attributes.ts";
import type { Graph } from "./graph.ts";

/** What one model file says: a network (or a dumped graph), and what its targets ask for. */
export interface Model {
  readonly graph: Graph;
  readonly targets: readonly Target[];
}

/** `target seal { precision = 12 bits }` as written; the compiler gives the settings their meaning. */
export interface Target {
  readonly name: string;
  readonly entries: readonly TargetEntry[];
  readonly span: Span;
}

/**
 * One setting. `key` holds the words before the equals sign joined by dots (`activation relu = ...` is `activation.relu`);
 * a call such as `polynomial(degree = 7)` is the record `{ call: "polynomial", degree: 7 }`; a unit (`12 bits`) is dropped after its check.
 */
export interface TargetEntry {
  readonly key: string;
  readonly value: AttrValue;
  readonly span: Span;
}
