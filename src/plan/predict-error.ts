import { invariant } from "../base/diagnostic.ts";
import { type Graph, type Node, type NodeId, type NodeOf, usersOf } from "../ir/graph.ts";
import { sendingOf } from "../ir/sendings.ts";
import { toSlots } from "../packing/slots.ts";
import { leastHeadroomBits } from "../scheme/chain.ts";
import { idle, type Layout, layoutElements, parseLayout, planesOf } from "../scheme/layout.ts";
import { canonicalScales } from "../scheme/parameters.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import { calibrationSamples } from "./calibration.ts";
import { type ErrorMachine, type Estimate, errorMachine } from "./error-machine.ts";
import { execute } from "./execute.ts";
import { type LayerConstants, layerConstants } from "./layer.ts";
import { layerOfNode } from "./layer-names.ts";
import type { Tensors } from "./machine.ts";
import { coefficientsOf } from "./sample-arithmetic.ts";

export interface ErrorPrediction {
  /** By output: the largest absolute error its elements will have, and the largest absolute value calibration saw. */
  readonly outputs: ReadonlyMap<string, { readonly bound: number; readonly largest: number }>;
  /** By layer (and input): the largest absolute error of the values it hands on. */
  readonly layers: ReadonlyMap<string, number>;
  /** Largest absolute value of any slot by level. */
  readonly largestByLevel: readonly number[];
  /** Bits that the first prime must exceed the scale by, so that no value seen fills more than a quarter of its ciphertext. */
  readonly headroomBits: number;
}

export interface PredictionOptions {
  /** Inputs to calibrate on instead of random ones and the ends of the declared ranges. */
  readonly samples?: readonly Tensors[];
  /** Says which slots of a layer carry data; without it a layer's bound is over all slots, junk included. */
  readonly leveled?: Graph;
  readonly constants?: (layer: NodeOf<"he_layer">) => LayerConstants;
}

/** Share of a ciphertext's room that calibration may use, as a factor of safety for inputs it did not see. */
export const roomMargin = 4;

/**
 * Predicts errors of an HE program: runs it on numbers with a variance per slot (a mean over slots would miss that errors
 * are largest where values are), and bounds the largest of many normally distributed errors.
 */
export function predictError(program: Graph, options: PredictionOptions = {}): ErrorPrediction {
  const { scheme } = program;
  invariant(scheme !== undefined, "a program has a scheme");
  const { samples = calibrationSamples(program), constants = (node) => layerConstants(program, node) } = options;
  const onCoefficients = program.nodes.some((node) => node.op === "he_mask");
  const machine = errorMachine(scheme, samples.length, onCoefficients);
  const results = resultsOfLayers(program);
  const layouts = layoutsOfLayers(options.leveled);
  const layers = new Map<string, number>();

  const afterNode = (node: Node, value: Estimate): void => {
    const result = results.get(node.id);
    if (result === undefined) return;
    const layout = layouts.get(result.layer);
    const data = layout?.ciphertexts === result.parts ? dataSlots(layout, result.part) : undefined;
    const bound = boundOf(machine.varianceOf(value), data, layout);
    layers.set(result.layer, Math.max(layers.get(result.layer) ?? 0, bound));
  };
  const inputs = encryptedInputs(program, machine, samples);
  const found = execute(program, machine, inputs, constants, { hooks: { afterNode } });
  const outputs = new Map(
    program.outputs.map(({ name, node }) => {
      const output = program.nodes[node] as NodeOf<"he_output">;
      const layout = layoutIn(output.attrs.layout);
      const parts = found.get(name)!.map((value, part) => measure(machine, value, dataSlots(layout, part), layout));
      const largestOf = (key: "bound" | "largest") => parts.reduce((most, p) => Math.max(most, p[key]), 0);
      return [name, { bound: largestOf("bound"), largest: largestOf("largest") }];
    }),
  );
  const fullBits = Math.log2((machine.fill() * roomMargin * Number(scheme.primes[0]!)) / canonicalScales(scheme)[0]!);
  // Not finite when values stopped being numbers: no first prime would do.
  const headroomBits = Number.isNaN(fullBits)
    ? Number.POSITIVE_INFINITY
    : Math.max(leastHeadroomBits, Math.ceil(fullBits));
  return { outputs, layers, largestByLevel: [...machine.largestByLevel], headroomBits };
}

/** -log2 of an error bound, to a hundredth of a bit and on the safe side: what plans and reports say. */
export function boundBits(bound: number): number {
  return Math.floor(-Math.log2(bound) * 100) / 100;
}

/** The errors of so many slots all stay below this many standard deviations, but for one run in a million. */
function deviations(slots: number): number {
  return Math.sqrt(2 * Math.log(2 * slots * 1e6));
}

/**
 * Errors that count as independent between slots may not be quite: neighbours of a convolution share inputs, and a key's
 * slot-0 offset is the same each time. Random programs measured on SEAL came out 1.0 to 1.1 times the predicted sigma in the
 * median, at most 2.5 times; the deviations above cover the rest. A sum with its own rotation by one and the same step,
 * repeated ten times, would exceed the bound; folds use distinct steps.
 */
const correlation = 1.6;

/** The bound of an output of one element whose error has this variance. */
export function leastBound(variance: number): number {
  return correlation * deviations(1) * Math.sqrt(variance);
}

function boundOf(variance: Float64Array, data: DataSlots | undefined, layout?: Layout): number {
  if (data !== undefined && layout?.coefficients) {
    // A coefficient is 2 / N times the sum of N / 2 slots, each turned: c = (2 / N) sum of Re(slot * root).
    const mean = variance.reduce((sum, v) => sum + v, 0) / variance.length;
    const count = data.reduce((sum, plane) => sum + plane.length, 0);
    return correlation * deviations(count) * Math.sqrt(mean / variance.length);
  }
  const count = data?.reduce((sum, plane) => sum + plane.length, 0) ?? variance.length;
  let largest = 0;
  if (data === undefined) for (const v of variance) largest = Math.max(largest, v);
  else for (const plane of data) for (const slot of plane) largest = Math.max(largest, variance[slot]!);
  return correlation * deviations(count) * Math.sqrt(largest);
}

function measure(machine: ErrorMachine, value: Estimate, data: DataSlots, layout: Layout) {
  const variance = machine.varianceOf(value);
  const { re, im } = layout.coefficients ? coefficientsOf(value.values, variance.length) : value.values;
  const parts = [re, im];
  let largest = 0;
  for (const [p, plane] of data.entries()) {
    const values = parts[p];
    if (values === undefined) continue;
    for (let from = 0; from < values.length; from += variance.length) {
      for (const slot of plane) largest = Math.max(largest, Math.abs(values[from + slot]!));
    }
  }
  return { bound: data.every((plane) => plane.length === 0) ? 0 : boundOf(variance, data, layout), largest };
}

function encryptedInputs(program: Graph, machine: ErrorMachine, samples: readonly Tensors[]): Map<string, Estimate> {
  const slots = new Map<string, SlotVector[][]>();
  const slotsOf = (input: string, layout: string, of = input): SlotVector[][] => {
    const known = slots.get(input);
    if (known !== undefined) return known;
    const made = samples.map((sample) => {
      const value = sample.get(of);
      invariant(value !== undefined, `a calibration sample lacks input '${of}'`);
      return toSlots(value, layoutIn(layout));
    });
    slots.set(input, made);
    return made;
  };
  const inputs = new Map<string, Estimate>();
  for (const node of program.nodes) {
    if (node.op !== "he_input") continue;
    const { input, part, layout, level } = node.attrs;
    inputs.set(
      node.name,
      machine.encrypt(
        slotsOf(input, layout, sendingOf(node)).map((parts) => parts[part]!),
        level,
      ),
    );
  }
  return inputs;
}

/** Which part of which layer's result a node is. */
interface LayerResult {
  readonly layer: string;
  readonly part: number;
  readonly parts: number;
}

/** The ciphertexts that layers hand on: those that other layers or outputs use, in the order they are computed. */
function resultsOfLayers(program: Graph): ReadonlyMap<NodeId, LayerResult> {
  const users = usersOf(program);
  const byLayer = new Map<string, NodeId[]>();
  for (const node of program.nodes) {
    if (node.type.kind !== "cipher") continue;
    const layer = layerOfNode(node.name);
    const handedOn = users.get(node.id)!.some((user) => user.op === "he_output" || layerOfNode(user.name) !== layer);
    if (handedOn) byLayer.set(layer, [...(byLayer.get(layer) ?? []), node.id]);
  }
  return new Map(
    [...byLayer].flatMap(([layer, ids]) =>
      ids.map((id, part): [NodeId, LayerResult] => [id, { layer, part, parts: ids.length }]),
    ),
  );
}

function layoutsOfLayers(leveled: Graph | undefined): ReadonlyMap<string, Layout> {
  const nodes = leveled?.nodes ?? [];
  return new Map(nodes.flatMap(({ name, type }) => ("layout" in type ? [[name, type.layout] as const] : [])));
}

function layoutIn(text: string): Layout {
  const layout = parseLayout(text);
  invariant(layout !== undefined, `'${text}' is no layout`);
  return layout;
}

/** By plane of one ciphertext, the real parts and then the imaginary ones of a complex layout: the slots that carry an element. */
type DataSlots = readonly Int32Array[];

function dataSlots(layout: Layout, part: number): DataSlots {
  const elements = layoutElements(layout);
  const planes = planesOf(layout) / layout.ciphertexts;
  return Array.from({ length: planes }, (_, p) => {
    const from = (part * planes + p) * layout.slots;
    const plane = elements.subarray(from, from + layout.slots);
    return Int32Array.from([...plane.keys()].filter((slot) => plane[slot] !== idle));
  });
}
