import type { Shape } from "../base/tensor.ts";
import type { LayerFit } from "../ir/fits.ts";
import type { Graph } from "../ir/graph.ts";
import type { AttrRecord } from "../ops/attributes.ts";
import type { Layout } from "../scheme/layout.ts";
import type { Scheme } from "../scheme/parameters.ts";
import type { SecurityClaim } from "../scheme/security.ts";

import type { BlindedLayers } from "./blinded-map.ts";
import type { Choices } from "./choices.ts";

export type { SecurityClaim } from "../scheme/security.ts";

/** A compiled network: everything a client and a server need, and what it will cost. */
export interface Plan {
  /** SHA-256 over everything else, hexadecimal. */
  readonly id: string;
  readonly model: string;
  /** Version of sealwright that made it. */
  readonly compiler: string;
  readonly passes: readonly string[];
  /** The settings that decided, as the user could have written them. */
  readonly settings: AttrRecord;
  readonly scheme: Scheme;
  readonly security: SecurityClaim;
  /** Rotation steps that need a Galois key, ascending, in -N/4 .. N/4; 0 stands for conjugation. */
  readonly galoisSteps: readonly number[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** What happens where, in order. */
  readonly stages: readonly Stage[];
  /** The HE program. */
  readonly program: Graph;
  /** The network as it was read, for the float machine. A client's bundle has neither. */
  readonly source: Graph;
  readonly cost: Cost;
  readonly precision: Precision;
  /** Activations that polynomials stand for, where there are any. A client's bundle says nothing of them. */
  readonly fits?: readonly LayerFit[];
  /** Of activations that were left to `auto`, all of which polynomials compute. A client's bundle says nothing of them. */
  readonly choices?: Choices;
  /** For one run, what its weights blind of the values that client and server exchange. Never in a file. */
  readonly blinded?: BlindedLayers | undefined;
}

/** What a client needs of a plan to make keys, encrypt and decrypt; it says nothing about the weights. A plan is one. */
export type ClientView = Pick<
  Plan,
  "id" | "model" | "compiler" | "scheme" | "security" | "galoisSteps" | "inputs" | "outputs" | "stages" | "precision"
> & { readonly cost: { readonly totals: ClientTotals } };

/** `relinearizations` above 0 means that the server needs a relinearization key. */
export type ClientTotals = Pick<
  Cost["totals"],
  | "levels"
  | "relinearizations"
  | "galoisKeys"
  | "galoisKeyBytes"
  | "inputCiphertexts"
  | "outputCiphertexts"
  | "clientRounds"
>;

/** An input or output of the model as the client packs or unpacks it. */
export interface Port {
  readonly name: string;
  readonly shape: Shape;
  /** Inputs: the values the client may send. Outputs: what calibration saw. */
  readonly range: readonly [number, number];
  readonly layout: Layout;
  readonly level: number;
  /** Inputs: set where this is another sending of the input with that name, for a later reader; users give its value once. */
  readonly of?: string;
}

/** What there is to know of an input before it is packed. */
export type ValuePort = Pick<Port, "name" | "shape" | "range" | "of">;

export interface Stage {
  readonly side: "server" | "client";
  readonly does: string;
}

/** Counts of HE operations. `rotations` counts every Galois key switch, conjugations included. */
export interface OpCounts {
  readonly rotations: number;
  readonly conjugations: number;
  readonly plainMultiplications: number;
  readonly monomialMultiplications: number;
  readonly cipherMultiplications: number;
  readonly relinearizations: number;
  readonly rescales: number;
}

export interface Cost {
  readonly totals: OpCounts & {
    /** Rescales on the deepest path. */
    readonly levels: number;
    readonly galoisKeys: number;
    readonly galoisKeyBytes: number;
    readonly inputCiphertexts: number;
    readonly outputCiphertexts: number;
    readonly clientRounds: number;
    readonly weightBytes: number;
  };
  readonly estimate: { readonly milliseconds: number; readonly keygenMilliseconds: number; readonly peakBytes: number };
  /** Name of the cost table the times come from. */
  readonly costTable: string;
  readonly layers: readonly LayerCost[];
}

export interface LayerCost extends OpCounts {
  readonly name: string;
  readonly op: string;
  /** Line in the model file, 0 when unknown. */
  readonly line: number;
  readonly shape: Shape;
  readonly layout: string;
  readonly levelIn: number;
  readonly levelOut: number;
  readonly milliseconds: number;
  /** -log2 of the predicted largest error of the layer's values. */
  readonly boundBits: number;
}

export interface Precision {
  /** -log2 of the predicted largest absolute error of any output element. */
  readonly boundBits: number;
  /** The same by output name. */
  readonly outputs: { readonly [name: string]: number };
}
