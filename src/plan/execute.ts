import { CompilerBug, invariant } from "../base/diagnostic.ts";
import { type Graph, type Node, type NodeId, type NodeOf, nodeAt } from "../ir/graph.ts";
import type { LayerConstants } from "./layer.ts";
import { layerOfNode } from "./layer-names.ts";
import { dyingAfter } from "./liveness.ts";
import type { HeMachine } from "./machine.ts";
import { openCoefficients } from "./open-coefficients.ts";
import type { PlaintextCache } from "./plaintexts.ts";

export interface ExecuteHooks<C> {
  /** Before each node and once at the end: how many of how many are done. */
  progress?(done: number, total: number): void;
  /** When the program turns from one layer to another. */
  layer?(name: string): void;
  /** With each new ciphertext, before any operand of it is freed. */
  afterNode?(node: Node, value: C): void;
}

export interface ExecuteOptions<C, P> {
  readonly hooks?: ExecuteHooks<C>;
  /** Where plaintexts come from and go to between runs. */
  readonly plaintexts?: PlaintextCache<P>;
}

/**
 * Runs an HE program on a machine. `inputs` has the ciphertext of each `he_input` node by name; they are not freed.
 * Returns the ciphertexts of each output; they belong to the caller, and may be inputs that the program passes through.
 * Weights are encoded when they are needed and every other value is freed after its last use, also when the machine throws.
 */
export function execute<C, P>(
  program: Graph,
  machine: HeMachine<C, P>,
  inputs: ReadonlyMap<string, C>,
  constants: (layer: NodeOf<"he_layer">) => LayerConstants,
  options: ExecuteOptions<C, P> = {},
): Map<string, C[]> {
  const { hooks = {}, plaintexts } = options;
  const dying = dyingAfter(program);
  const ciphers = new Map<NodeId, C>();
  const own = new Set<NodeId>();
  const plains = new Map<NodeId, P>();
  const layers = new Map<NodeId, LayerConstants>();

  const cipher = (id: NodeId): C => {
    const value = ciphers.get(id);
    invariant(value !== undefined, `ciphertext '${nodeAt(program, id).name}' is not there`);
    return value;
  };
  const layer = (id: NodeId): LayerConstants => {
    const node = nodeAt(program, id);
    invariant(node.op === "he_layer", `'${node.name}' is no layer`);
    const known = layers.get(id) ?? constants(node);
    layers.set(id, known);
    return known;
  };
  const plain = (id: NodeId): P => {
    const known = plains.get(id) ?? plaintexts?.get(id);
    if (known !== undefined) return known;
    const made = encode(nodeAt(program, id), machine, layer);
    if (plaintexts?.put(id, made) !== true) plains.set(id, made);
    return made;
  };
  const free = (id: NodeId): void => {
    if (own.delete(id)) machine.free(ciphers.get(id)!);
    const plaintext = plains.get(id);
    if (plaintext !== undefined) machine.freePlain(plaintext);
    ciphers.delete(id);
    plains.delete(id);
    layers.delete(id);
  };

  try {
    let current = "";
    for (const node of program.nodes) {
      hooks.progress?.(node.id, program.nodes.length);
      if (node.op === "he_input") {
        const input = inputs.get(node.name);
        invariant(input !== undefined, `no ciphertext for input '${node.name}'`);
        ciphers.set(node.id, input);
      } else if (node.type.kind === "cipher") {
        const name = layerOfNode(node.name);
        if (name !== current) hooks.layer?.(name);
        current = name;
        const [x, y] = node.inputs;
        const inPlace = node.op === "he_add" && x !== y && own.has(x!) && dying[node.id]!.includes(x!);
        const made = named(node, () =>
          inPlace ? machine.addTo(cipher(x!), cipher(y!)) : compute(node, machine, cipher, plain),
        );
        if (inPlace) own.delete(x!);
        ciphers.set(node.id, made);
        own.add(node.id);
      }
      if (node.type.kind === "cipher") hooks.afterNode?.(node, cipher(node.id));
      for (const id of dying[node.id]!) free(id);
    }
    hooks.progress?.(program.nodes.length, program.nodes.length);
    return outputsOf(program, cipher);
  } catch (error) {
    // What went wrong matters more than a machine that cannot even free any more.
    for (const id of [...own, ...plains.keys()]) ignoringErrors(() => free(id));
    throw error;
  }
}

function outputsOf<C>(program: Graph, cipher: (id: NodeId) => C): Map<string, C[]> {
  return new Map(
    program.outputs.map(({ name, node }) => {
      const output = nodeAt(program, node);
      invariant(output.op === "he_output", `output '${name}' is not made by he_output`);
      return [name, output.inputs.map(cipher)];
    }),
  );
}

function encode<C, P>(node: Node, machine: HeMachine<C, P>, layer: (id: NodeId) => LayerConstants): P {
  if (node.op === "he_encode_constant")
    return machine.encodeConstant(node.attrs.value, node.attrs.level, node.attrs.scale);
  invariant(node.op === "he_encode" || node.op === "he_encode_bias", `'${node.name}' is no plaintext`);
  const constants = layer(node.inputs[0]!);
  const { to, level, scale } = node.attrs;
  if (node.op === "he_encode_bias") {
    const bias = constants.bias(to);
    invariant(bias !== undefined, `'${node.name}' encodes a bias its layer has not`);
    return machine.encode(bias, level, scale);
  }
  const { giant, from, baby } = node.attrs;
  return machine.encode(constants.weights(to, giant, from, baby), level, scale);
}

function compute<C, P>(node: Node, machine: HeMachine<C, P>, cipher: (id: NodeId) => C, plain: (id: NodeId) => P): C {
  const [x, y] = node.inputs as readonly [NodeId, NodeId];
  switch (node.op) {
    case "he_rotate":
      return machine.rotate(cipher(x), node.attrs.steps);
    case "he_conjugate":
      return machine.conjugate(cipher(x));
    case "he_multiply_monomial":
      return machine.multiplyMonomial(cipher(x), node.attrs.exponent);
    case "he_add":
      return machine.add(cipher(x), cipher(y));
    case "he_subtract":
      return machine.subtract(cipher(x), cipher(y));
    case "he_mask":
      return machine.mask(cipher(x), openCoefficients(node.attrs));
    case "he_negate":
      return machine.negate(cipher(x));
    case "he_add_plain":
      return machine.addPlain(cipher(x), plain(y));
    case "he_multiply_plain":
      return machine.multiplyPlain(cipher(x), plain(y));
    case "he_multiply":
      return machine.multiply(cipher(x), cipher(y));
    case "he_square":
      return machine.square(cipher(x));
    case "he_relinearize":
      return machine.relinearize(cipher(x));
    case "he_rescale":
      return machine.rescale(cipher(x));
    case "he_mod_switch":
      return machine.modSwitch(cipher(x));
    default:
      throw new CompilerBug(`'${node.name}' = ${node.op}(...) has no place in an HE program`);
  }
}

/** Machines do not know nodes; a broken rule should name one. */
function named<T>(node: Node, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof CompilerBug)
      throw new CompilerBug(`'${node.name}' = ${node.op}(...): ${error.message}`, { cause: error });
    throw error;
  }
}

function ignoringErrors(run: () => void): void {
  try {
    run();
  } catch {}
}
