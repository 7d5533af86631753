import { CompilerBug, type FilePlace, fail } from "../base/diagnostic.ts";
import { sameShape } from "../base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeId, type NodeOf, nodeAt } from "../ir/graph.ts";
import { brokenRules } from "../ir/verify.ts";
import { printLayout } from "../scheme/layout.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import { type PlainStanding, Rules, type Standing } from "../scheme/rules.ts";
import { galoisSteps } from "./cost.ts";
import { openCoefficients } from "./open-coefficients.ts";
import type { Plan, Port } from "./plan.ts";
import { RecipeChecker } from "./verify-recipes.ts";

/**
 * Checks an HE program before any cryptography: the rules of graphs and types, a declared key for each rotation and
 * conjugation and no key too many, inputs and outputs as the plan describes them, exact scales, recipes of plaintexts.
 */
export function verifyProgram(plan: Plan, path: string): void {
  const { program, scheme } = plan;
  const wrong = (reason: string): never => fail("plan-program", { path, part: "program" }, { reason });
  if (program.scheme === undefined || !sameScheme(program.scheme, scheme)) wrong("its scheme is not the plan's");
  const [broken] = brokenRules(program, "he");
  if (broken !== undefined) wrong(broken);
  checkRotations(plan, path);
  checkInputs(plan, wrong);
  checkOutputs(plan, wrong);
  checkMasks(plan, wrong);
  new RecipeChecker(program, { path, part: "program" }).check();
  checkExactScales(plan, wrong);
}

type Wrong = (reason: string) => never;

function sameScheme(a: Scheme, b: Scheme): boolean {
  const text = ({ degree, primes, specialPrime, scaleBits, security }: Scheme) =>
    [degree, primes.join(), specialPrime, scaleBits, security].join(" ");
  return text(a) === text(b);
}

/** The server must have every key it uses, and the client make none that only a different program would use. */
function checkRotations(plan: Plan, path: string): void {
  const { program } = plan;
  const slots = plan.scheme.degree / 2;
  if (program.nodes.some((node) => node.op === "he_rotate" && node.attrs.steps % slots === 0))
    fail("plan-program", { path, part: "program" }, { reason: "it rotates by a multiple of all slots" });
  const used = galoisSteps(program);
  const place: FilePlace = { path, part: "galoisSteps" };
  const missing = used.find((step) => !plan.galoisSteps.includes(step));
  const unused = plan.galoisSteps.find((step) => !used.includes(step));
  if (missing === 0) fail("plan-galois-steps", place, { reason: "the program conjugates, which has no key (step 0)" });
  if (missing !== undefined)
    fail("plan-galois-steps", place, { reason: `the program rotates by ${missing}, which has no key` });
  if (unused === 0) fail("plan-galois-steps", place, { reason: "the program never conjugates (step 0)" });
  if (unused !== undefined) fail("plan-galois-steps", place, { reason: `the program never rotates by ${unused}` });
}

function checkInputs({ program, inputs }: Plan, wrong: Wrong): void {
  const parts = new Map(inputs.map((port): [string, Set<number>] => [port.name, new Set()]));
  const ports = new Map(inputs.map((port): [string, Port] => [port.name, port]));
  for (const node of program.nodes) {
    if (node.op !== "he_input") continue;
    const { input, part, level, shape, range, layout } = node.attrs;
    const port = ports.get(input);
    if (port === undefined) wrong(`'${node.name}' is a part of input '${input}', which the plan does not have`);
    const same =
      level === port.level &&
      sameShape(shape, port.shape) &&
      range.length === 2 &&
      range.every((end, i) => Object.is(end, port.range[i])) &&
      layout === printLayout(port.layout);
    if (!same) wrong(`'${node.name}' is not as the plan describes input '${input}'`);
    if (part >= port.layout.ciphertexts) wrong(`'${node.name}' is part ${part} of ${port.layout.ciphertexts}`);
    if (parts.get(input)!.has(part)) wrong(`part ${part} of input '${input}' is there twice`);
    parts.get(input)!.add(part);
  }
  for (const [name, found] of parts) {
    const { ciphertexts } = ports.get(name)!.layout;
    if (found.size !== ciphertexts) wrong(`input '${name}' has ${found.size} of its ${ciphertexts} ciphertexts`);
  }
}

/** Coefficients without an element are hidden where values leave, and only there. */
function checkMasks({ program, outputs }: Plan, wrong: Wrong): void {
  const masks = new Set(program.nodes.filter((node) => node.op === "he_mask"));
  for (const [i, { name, layout }] of outputs.entries()) {
    if (layout.coefficients === undefined) continue;
    for (const [part, node] of inputNodes(program, nodeAt(program, program.outputs[i]!.node)).entries()) {
      const isOwn = node.op === "he_mask" && node.attrs.layout === printLayout(layout) && node.attrs.part === part;
      if (!isOwn) wrong(`part ${part} of output '${name}' leaves without its mask`);
      masks.delete(node as NodeOf<"he_mask">);
    }
  }
  for (const { name } of masks) wrong(`'${name}' masks no output`);
}

function checkOutputs({ program, outputs }: Plan, wrong: Wrong): void {
  const nodes = program.nodes.filter((node) => node.op === "he_output");
  if (nodes.length !== program.outputs.length) wrong("some he_output is no output, or is one twice");
  if (outputs.length !== program.outputs.length) {
    wrong(`it has ${program.outputs.length} outputs, the plan describes ${outputs.length}`);
  }
  for (const [i, { name, node: id }] of program.outputs.entries()) {
    const node = nodeAt(program, id);
    const port = outputs[i]!;
    if (name !== port.name) wrong(`its output ${i} is '${name}', the plan describes '${port.name}'`);
    if (node.op !== "he_output") wrong(`output '${name}' is a ${node.op}`);
    if (!sameShape(node.attrs.shape, port.shape) || node.attrs.layout !== printLayout(port.layout)) {
      wrong(`output '${name}' is not as the plan describes it`);
    }
    if (node.inputs.length !== port.layout.ciphertexts) {
      wrong(`output '${name}' has ${node.inputs.length} ciphertexts, its layout ${port.layout.ciphertexts}`);
    }
  }
}

/**
 * Types carry scales to a millionth of a bit; SEAL compares them to the last. So the program is gone through once with exact
 * scales, and what comes out must be what the client will decode.
 */
function checkExactScales({ program, scheme, galoisSteps: steps, outputs }: Plan, wrong: Wrong): void {
  const rules = new Rules(scheme, steps);
  const scales = canonicalScales(scheme);
  const standings = new Map<NodeId, Standing>();
  const plains = new Map<NodeId, PlainStanding>();
  for (const node of program.nodes) {
    try {
      const [a, b] = inputNodes(program, node);
      const x = a && standings.get(a.id);
      const standing =
        node.op === "he_input" ? inputStanding(node, scales) : step(rules, node, x!, (b ?? a)!, standings, plains);
      if (standing !== undefined) standings.set(node.id, standing);
      const plain = plainStanding(rules, node);
      if (plain !== undefined) plains.set(node.id, plain);
    } catch (error) {
      if (error instanceof CompilerBug) wrong(`'${node.name}' ${error.message}`);
      throw error;
    }
  }
  for (const [i, port] of outputs.entries()) {
    for (const { id, name } of inputNodes(program, nodeAt(program, program.outputs[i]!.node))) {
      const { level, scale, size } = standings.get(id)!;
      const canonical = scales[port.level]!;
      if (level !== port.level) wrong(`output '${port.name}' is at level ${level}, the plan says ${port.level}`);
      if (size !== 2) wrong(`'${name}' is returned without relinearization`);
      if (Math.abs(scale - canonical) > canonical * 2 ** -40) {
        wrong(`output '${port.name}' has scale 2^${Math.log2(scale)}, the client expects 2^${Math.log2(canonical)}`);
      }
    }
  }
}

function inputStanding({ attrs: { level } }: NodeOf<"he_input">, scales: Float64Array): Standing {
  return { level, scale: scales[level]!, size: 2 };
}

function plainStanding(rules: Rules, node: Node): PlainStanding | undefined {
  switch (node.op) {
    case "he_encode":
    case "he_encode_bias":
      return rules.encodeConstant(0, node.attrs.level, node.attrs.scale);
    case "he_encode_constant":
      return rules.encodeConstant(node.attrs.value, node.attrs.level, node.attrs.scale);
    default:
      return undefined;
  }
}

function step(
  rules: Rules,
  node: Node,
  x: Standing,
  second: Node,
  standings: ReadonlyMap<NodeId, Standing>,
  plains: ReadonlyMap<NodeId, PlainStanding>,
): Standing | undefined {
  switch (node.op) {
    case "he_rotate":
      return rules.rotate(x, node.attrs.steps);
    case "he_conjugate":
      return rules.conjugate(x);
    case "he_multiply_monomial":
      return rules.multiplyMonomial(x);
    case "he_add":
    case "he_subtract":
      return rules.add(x, standings.get(second.id)!);
    case "he_negate":
      return x;
    case "he_mask":
      return rules.mask(x, openCoefficients(node.attrs).length);
    case "he_add_plain":
      return rules.addPlain(x, plains.get(second.id)!);
    case "he_multiply_plain":
      return rules.multiplyPlain(x, plains.get(second.id)!);
    case "he_multiply":
      return rules.multiply(x, standings.get(second.id)!);
    case "he_square":
      return rules.multiply(x, x);
    case "he_relinearize":
      return rules.relinearize(x);
    case "he_rescale":
      return rules.rescale(x);
    case "he_mod_switch":
      return rules.modSwitch(x);
    default:
      return undefined;
  }
}

/** Counts of a program's operations by the name a plan's totals give them. */
export function countOperations(program: Graph) {
  const count = (...ops: Node["op"][]) => program.nodes.filter((node) => ops.includes(node.op)).length;
  return {
    rotations: count("he_rotate", "he_conjugate"),
    conjugations: count("he_conjugate"),
    plainMultiplications: count("he_multiply_plain"),
    monomialMultiplications: count("he_multiply_monomial"),
    cipherMultiplications: count("he_multiply", "he_square"),
    relinearizations: count("he_relinearize"),
    rescales: count("he_rescale"),
  };
}
