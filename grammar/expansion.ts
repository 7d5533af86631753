import { limits } from "../src/base/limits.ts";
import type { Span } from "../src/base/span.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Annotation, NodeId } from "../src/ir/graph.ts";
import type { ValueType } from "../src/ops/value-type.ts";
import type { Scheme } from "../src/scheme/parameters.ts";
import type { Expression, Extent } from "./ast.ts";
import type { Weights } from "./host.ts";
import { type Report, spanOf } from "./report.ts";
import type { BlockBinding, Scope } from "./scope.ts";

/** Thrown when a model grows beyond the limits, after the report. */
export class TooLarge extends Error {}

/** An annotation on its way to the layers it speaks to. */
export interface Wish {
  readonly annotation: Annotation;
  readonly span: Span;
  /** How many layers took it. */
  hits: number;
}

/** Where an expression stands: what it can see, and what nodes made there are called. */
export interface Env {
  readonly scope: Scope;
  readonly caller: Span | undefined;
  /** Names made here are `prefix + name + suffix`: `s1.` inside the call bound to s1, `.2` in the second round of a repeat. */
  readonly prefix: string;
  readonly suffix: string;
  /** Wishes for layers with weights, the closest statement's first. */
  readonly wishes: readonly Wish[];
}

/** What the node an expression makes will be: its name, and what the statement says about it. */
export interface Slot {
  readonly name: string;
  /** The named value it is part of; nodes inside the expression are called `base.op`. */
  readonly base: string;
  /** The user gave the name; it is kept free for this node. */
  readonly own: boolean;
  readonly type: ValueType | undefined;
  readonly wishes: readonly Wish[];
}

export function slotNamed(name: string, base = name): Slot {
  return { name, base, own: false, type: undefined, wishes: [] };
}

export const opOf = { "+": "add", "-": "subtract", "*": "multiply" } as const;

/** The slot of an expression inside the one of `slot`: named after the op it ends with, else after what it is for. */
export function innerSlot(slot: Slot, e: Expression, purpose: string): Slot {
  return slotNamed(`${slot.base}.${labelOf(e) ?? purpose}`, slot.base);
}

function labelOf(e: Expression): string | undefined {
  switch (e.kind) {
    case "call":
      return e.callee.text;
    case "sum":
      return opOf[e.rest.at(-1)!.operator];
    case "product":
      return "multiply";
    case "negation":
      return "negate";
    default:
      return undefined;
  }
}

/** Everything that grows while one network is expanded. */
export interface Expansion {
  readonly report: Report;
  readonly builder: GraphBuilder;
  readonly scheme: Scheme | undefined;
  /** A `graph`, as dumps print it, not a `network`. */
  readonly flat: boolean;
  readonly names: NodeNames;
  /** Undefined when a weights file failed: what is in it is not known. */
  readonly weights: (span: Span, name: string) => Weights | undefined;
  /** The node of each weight that some layer takes. */
  readonly constants: Map<string, NodeId>;
  /** Where each output was named. */
  readonly outputs: Map<string, Span>;
  /** Blocks that were defined, to check those nobody calls. */
  readonly blocks: BlockBinding[];
  readonly called: Set<unknown>;
  /** Only checks names and arguments; makes no nodes. */
  dry: boolean;
  steps: number;
  /** How many expressions are being evaluated inside one another. */
  depth: number;
  /** Set once it was said that HE ops need a scheme. */
  lacksScheme: boolean;
}

/** Counts one statement or call; ends the expansion when it and those that are known to lie ahead are too many. */
export function step(expansion: Expansion, span: Span, ahead = 1): void {
  expansion.steps++;
  if (expansion.steps + ahead <= limits.expansionSteps) return;
  expansion.report.at("expansion-too-large", span, { what: "statements", limit: limits.expansionSteps });
  throw new TooLarge();
}

/** The span of a part of the text an environment is in. */
export function spanIn(env: Env, extent: Extent): Span {
  return spanOf(env.scope.file, extent, env.caller);
}

/** Gives nodes unique names; those the user chose for the network's own values go to nobody else. */
export class NodeNames {
  readonly #reserved: ReadonlySet<string>;
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  constructor(reserved: ReadonlySet<string>) {
    this.#reserved = reserved;
  }

  take(wanted: string, own: boolean): string {
    let name = wanted;
    while (this.#taken.has(name) || (!own && this.#reserved.has(name))) {
      const next = (this.#next.get(wanted) ?? 0) + 1;
      this.#next.set(wanted, next);
      name = `${wanted}_${next}`;
    }
    this.#taken.add(name);
    return name;
  }
}
