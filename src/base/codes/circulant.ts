import { code } from "./code.ts";

const shape = (dims: readonly number[]) => `[${dims.join(", ")}]`;

/** Codes of block-circulant weights, SW261 .. SW269. */
export const circulantCodes = {
  "circulant-unsupported": code<{ layer: string; op: string; block: number; why: string }>({
    id: "SW261",
    severity: "error",
    exit: 4,
    message: (p) => `the weight of '${p.layer}' (${p.op}) cannot have circulant blocks of ${p.block}: ${p.why}`,
    help: "take @circulant off this layer, or give it a block that fits",
  }),
  "circulant-projected": code<{ network: string; layers: number; percent: number }>({
    id: "SW262",
    severity: "warning",
    exit: 8,
    message: (p) =>
      `'${p.network}' no longer computes what it did: ${p.layers === 1 ? "a weight was" : `${p.layers} weights were`} made block-circulant, which changes ${p.layers === 1 ? "it" : "them"} by ${p.percent} %`,
    help: "train the network with circulant blocks; 'sealwright circulant' writes it with the blocks that cost its accuracy least",
  }),
  "circulant-lost": code<{ layer: string; block: number }>({
    id: "SW263",
    severity: "warning",
    exit: 4,
    message: (p) =>
      `'${p.layer}' has no circulant blocks of ${p.block} any more: what was folded into its weight differs within a block`,
    help: "keep factors beside this layer the same for all channels of a block, or take @circulant off it",
  }),
  "circulant-nothing": code<{ network: string }>({
    id: "SW264",
    severity: "error",
    exit: 4,
    message: (p) =>
      `'${p.network}' has no layer for circulant blocks: needed is a conv2d or dense between two others, with even numbers of channels`,
    help: "ask for blocks at one layer with @circulant(block = 2), or compile the network as it is",
  }),
  "circulant-budget": code<{ network: string; asked: string; needed: number; budget: number }>({
    id: "SW265",
    severity: "error",
    exit: 5,
    message: (p) =>
      `with the largest blocks allowed '${p.network}' takes ${p.needed.toFixed(1)} ms of rotations and products, ${p.asked} is ${p.budget.toFixed(1)} ms`,
    help: "ask for a larger budget, or allow larger blocks with --blocks",
  }),
  "circulant-statistics": code<{ layer: string; weight: string; found: string; shape: readonly number[] }>({
    id: "SW266",
    severity: "error",
    exit: 3,
    message: (p) =>
      `the statistics of '${p.weight}', the weight of '${p.layer}', are ${p.found}; needed are ${shape(p.shape)} squared gradients, none of them negative`,
    help: "store a tensor of the weight's name and shape for every layer that may get blocks, or leave out --statistics",
  }),
} as const;
