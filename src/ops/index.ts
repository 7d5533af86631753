import type { AttrSpec } from "./attributes.ts";
import * as he from "./he.ts";
import * as nn from "./nn.ts";
import type { HeOp, NetworkOp } from "./op.ts";

/** Every op, by name. Grammar, printer, verifier, evaluator and `sealwright ops` read this table. */
export const ops = { ...nn, ...he } as const;

export type OpName = keyof typeof ops;
export type NetworkOpName = { [K in OpName]: (typeof ops)[K] extends { family: "network" } ? K : never }[OpName];

/** An op whose attributes are not known to the type checker. */
export type AnyOp = NetworkOp<AttrSpec> | HeOp<AttrSpec>;

export function opNamed(name: string): AnyOp | undefined {
  return Object.hasOwn(ops, name) ? (ops[name as OpName] as unknown as AnyOp) : undefined;
}
