import { expect, it } from "vitest";
import type { CodeName } from "../src/base/codes.ts";
import { noSpan } from "../src/base/span.ts";
import { openPlan, parseGraph } from "../src/driver/run-plan.ts";
import type { Graph, Node } from "../src/ir/graph.ts";
import { graphTensors, printGraph } from "../src/ir/print.ts";
import { readBundle, writeBundle } from "../src/plan/bundle.ts";
import { galoisSteps } from "../src/plan/cost.ts";
import type { Plan } from "../src/plan/plan.ts";
import { writePlan } from "../src/plan/plan-file.ts";
import { verifyClient, verifyPlan } from "../src/plan/verify-plan.ts";
import { digit, type Layout, layoutOf } from "../src/scheme/layout.ts";
import type { Scheme } from "../src/scheme/parameters.ts";
import { securityClaim } from "../src/scheme/security.ts";
import { galoisKeyBytes } from "../src/scheme/sizes.ts";
import { tinyPlan } from "./plan-file-fixture.ts";
import { failureOf } from "./weights-failure.ts";

const { plan, bytes } = tinyPlan();
const [input] = plan.inputs;
const [output] = plan.outputs;

function expectRefusal(changed: Plan, code: CodeName, exit: number, part: string, options = {}): string {
  const failure = failureOf(() => verifyPlan(changed, "tiny.plan", options));
  expect([failure.code, failure.exit], failure.message).toEqual([code, exit]);
  expect(failure.place).toEqual({ path: "tiny.plan", part });
  return failure.message;
}

const withScheme = (change: Partial<Scheme>): Plan => ({ ...plan, scheme: { ...plan.scheme, ...change } });
const withTotals = (change: Partial<Plan["cost"]["totals"]>): Plan => ({
  ...plan,
  cost: { ...plan.cost, totals: { ...plan.cost.totals, ...change } },
});
const withInput = (change: Partial<Plan["inputs"][number]>): Plan => ({ ...plan, inputs: [{ ...input!, ...change }] });
const withSteps = (galoisSteps: readonly number[]): Plan => ({
  ...withTotals({
    galoisKeys: galoisSteps.length,
    galoisKeyBytes: galoisSteps.length * galoisKeyBytes(plan.scheme.degree, plan.scheme.primes.length),
  }),
  galoisSteps,
});

const ascending = (steps: readonly number[]) => [...steps].sort((a, b) => a - b);

it("what the compiler makes is accepted, as a plan and as a bundle", () => {
  verifyPlan(plan, "tiny.plan");
  verifyPlan(openPlan(bytes, "tiny.plan"), "tiny.plan");
  verifyClient(readBundle(writeBundle(plan), "tiny.client"), "tiny.client");
});

it("a degree that the tables do not list is refused", () => {
  for (const degree of [1000, 512, 131072, 2 ** 40])
    expectRefusal(withScheme({ degree }), "plan-degree", 3, "scheme.degree");
});

it("primes must be prime, distinct, 1 modulo 2N and of at most 60 bits", () => {
  const { primes, specialPrime, degree } = plan.scheme;
  const with1 = (prime: bigint) => withScheme({ primes: primes.with(1, prime) });
  for (const [prime, reason] of [
    [primes[1]! + 2n, "it is not 1 modulo 16384"],
    [primes[0]!, "it is there twice"],
    [specialPrime * BigInt(2 * degree) + 1n, "bits, allowed are 60"],
    // The product of two primes that are 1 modulo 2N is so, too.
    [65537n * 114689n, "it is no prime number"],
  ] as const) {
    expect(expectRefusal(with1(prime), "plan-prime", 3, "scheme.primes[1]")).toContain(reason);
  }
  expectRefusal(withScheme({ specialPrime: primes[2]! }), "plan-prime", 3, "scheme.specialPrime");
});

it("scales must leave room in their modulus", () => {
  expectRefusal(withScheme({ scaleBits: 200 }), "plan-scale", 3, "scheme.scaleBits");
  expectRefusal(withScheme({ scaleBits: -1 }), "plan-scale", 3, "scheme.scaleBits");
  // Small primes let the scale grow at each level until it no longer fits.
  expectRefusal(withScheme({ scaleBits: 60 }), "plan-scale", 3, "scheme.scales[1]");
});

it("a plan that states more security than its primes give is refused", () => {
  const claim = plan.security;
  for (const [field, value] of [
    ["bits", 256],
    ["limitBits", 438],
    ["modulusBits", 100],
    ["table", "our own"],
  ] as const) {
    const changed = { ...plan, security: { ...claim, [field]: value } };
    const message = expectRefusal(changed, "security-overstated", 6, `security.${field}`);
    expect(message).toContain(`${value}`);
    // Consent to an insecure plan is no consent to a lie.
    expectRefusal(changed, "security-overstated", 6, `security.${field}`, { insecure: true });
  }
  expectRefusal(withScheme({ security: 256 }), "security-overstated", 6, "scheme.security");
});

it("an insecure plan is refused unless it is asked for", () => {
  const scheme = { ...plan.scheme, security: 0 };
  const changed: Plan = { ...plan, scheme, security: securityClaim(scheme), program: { ...plan.program, scheme } };
  const message = expectRefusal(changed, "plan-insecure", 6, "security");
  expect(message).toContain("INSECURE");
  verifyPlan(changed, "tiny.plan", { insecure: true });
});

it.for([
  [[2, 1], "plan-galois-steps", 3, "galoisSteps[1]"],
  [[1, 1], "plan-galois-steps", 3, "galoisSteps[1]"],
  [[-0], "plan-galois-steps", 3, "galoisSteps[0]"],
  [[2, 0], "plan-galois-steps", 3, "galoisSteps[1]"],
  [[2049], "plan-galois-steps", 3, "galoisSteps[0]"],
  [[-2048], "plan-galois-steps", 3, "galoisSteps[0]"],
  [Array.from({ length: 10 ** 6 }, (_, i) => i + 1), "plan-too-costly", 5, "galoisSteps"],
] as const)("rotation keys %# are refused", ([steps, code, exit, part]) => {
  expectRefusal(withSteps(steps), code, exit, part);
});

it("a rotation without a key, and a key without a rotation, are refused", () => {
  const without = expectRefusal(withSteps(plan.galoisSteps.slice(1)), "plan-galois-steps", 3, "galoisSteps");
  expect(without).toContain(`rotates by ${plan.galoisSteps[0]}, which has no key`);
  expectRefusal(withSteps(ascending([...plan.galoisSteps, 1999])), "plan-galois-steps", 3, "galoisSteps");
});

it("step 0 is the key of conjugation: a program that conjugates needs it, no other has it", () => {
  const idle = expectRefusal(withSteps(ascending([...plan.galoisSteps, 0])), "plan-galois-steps", 3, "galoisSteps");
  expect(idle).toContain("never conjugates");
  const conjugating = withText(/he_rotate\((\S+), steps = -?\d+\)/, "he_conjugate($1)");
  const missing = expectRefusal(conjugating, "plan-galois-steps", 3, "galoisSteps");
  expect(missing).toContain("the program conjugates, which has no key");
  const keyed = { ...withSteps(galoisSteps(conjugating.program)), program: conjugating.program };
  expectRefusal(keyed, "plan-cost", 3, "cost.totals.conjugations");
  const totals = { ...keyed.cost.totals, conjugations: 1 };
  verifyPlan({ ...keyed, cost: { ...keyed.cost, totals } }, "tiny.plan");
});

it("a rotation by all slots is refused, not taken for a conjugation", () => {
  const changed = withText(/(he_rotate\(\S+, steps = )-?\d+/, `$1${plan.scheme.degree / 2}`);
  expect(expectRefusal(changed, "plan-program", 3, "program")).toContain("rotates by a multiple of all slots");
});

it("monomial products are counted", () => {
  const program = withText(
    /\n( +\S+: [^\n]* = he_rescale\()(\S+)\)/,
    "\n  conv.turned = he_multiply_monomial($2, exponent = 7)\n$1conv.turned)",
  ).program;
  expectRefusal({ ...plan, program }, "plan-cost", 3, "cost.totals.monomialMultiplications");
  verifyPlan({ ...withTotals({ monomialMultiplications: 1 }), program }, "tiny.plan");
});

it("costs beyond reason are refused from the counts alone", () => {
  expectRefusal(withTotals({ rotations: 10 ** 9 }), "plan-too-costly", 5, "cost.totals.rotations");
  expectRefusal(
    withTotals({ plainMultiplications: 10 ** 9 }),
    "plan-too-costly",
    5,
    "cost.totals.plainMultiplications",
  );
  expectRefusal(withTotals({ galoisKeys: 10 ** 6 }), "plan-too-costly", 5, "cost.totals.galoisKeys");
  const huge: Layout = { ...input!.layout, slots: 2 ** 40 };
  expectRefusal(withInput({ layout: huge }), "plan-too-costly", 5, "inputs[0].layout");
  expectRefusal(
    withInput({ layout: { ...input!.layout, ciphertexts: 2 ** 31 } }),
    "plan-too-costly",
    5,
    "inputs[0].layout",
  );
});

it("stated counts that are not the program's are refused", () => {
  const { rotations, galoisKeyBytes: keyBytes } = plan.cost.totals;
  expectRefusal(withTotals({ rotations: rotations - 1 }), "plan-cost", 3, "cost.totals.rotations");
  expectRefusal(withTotals({ relinearizations: 0 }), "plan-cost", 3, "cost.totals.relinearizations");
  expectRefusal(withTotals({ galoisKeyBytes: keyBytes + 1 }), "plan-cost", 3, "cost.totals.galoisKeyBytes");
  expectRefusal(withTotals({ inputCiphertexts: 2 }), "plan-cost", 3, "cost.totals.inputCiphertexts");
  expectRefusal(withTotals({ outputCiphertexts: 2 }), "plan-cost", 3, "cost.totals.outputCiphertexts");
});

it("inputs must make sense and fit their layouts", () => {
  const { layout } = input!;
  const broken: readonly Partial<Plan["inputs"][number]>[] = [
    { name: "" },
    { level: 9 },
    { level: -1 },
    { range: [1, 0] },
    { range: [0, Number.NaN] },
    { shape: [1, 6, 7] },
    { shape: [0] },
    { layout: { ...layout, slots: 2048 } },
    { layout: { ...layout, ciphertexts: 0 } },
    { layout: { ...layout, digits: layout.digits.slice(1) } },
    { layout: { ...layout, digits: [...layout.digits, digit(2, 6, 0)] } },
    { layout: { ...layout, digits: [...layout.digits, digit("copy", 2, 4096)] } },
    { layout: { ...layout, digits: layout.digits.map((d) => ({ ...d, extent: 2 ** 22 })) } },
    { layout: { ...layout, digits: new Array(100).fill(digit("copy", 2, 1)) } },
    { layout: { ...layout, dims: layout.dims.map((d) => ({ ...d, stride: d.stride * 2 })) } },
    { layout: { ...layout, origin: [2 ** 40, 0, 0] } },
  ];
  for (const change of broken) expectRefusal(withInput(change), "plan-port", 3, "inputs[0]");
  const twice = { ...plan, inputs: [input!, input!] };
  expectRefusal(twice, "plan-port", 3, "inputs[1]");
  expectRefusal({ ...plan, inputs: [] }, "json-value", 3, "inputs");
  expectRefusal({ ...plan, outputs: [] }, "json-value", 3, "outputs");
  expectRefusal({ ...plan, stages: [] }, "json-value", 3, "stages");
});

it("inputs and outputs of the program must be those the plan describes", () => {
  const slots = plan.scheme.degree / 2;
  const moved = layoutOf(slots, 1, input!.shape, [digit(2, 6, 1), digit(1, 6, 16)]);
  const complex = { ...input!.layout, complex: true };
  for (const change of [
    { name: "z" },
    { level: 2 },
    { range: [0, 2] as const },
    { layout: moved },
    { layout: complex },
  ]) {
    expectRefusal(withInput(change), "plan-program", 3, "program");
  }
  for (const change of [
    { name: "z" },
    { level: 1 },
    { shape: [2, 2] },
    { layout: { ...output!.layout, complex: true } },
  ]) {
    expectRefusal({ ...plan, outputs: [{ ...output!, ...change }] }, "plan-program", 3, "program");
  }
});

/** A plan whose program is its text with something replaced; the graph is parsed again and its id is right. */
function withText(from: string | RegExp, to: string): Plan {
  const text = printGraph(plan.program);
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  return { ...plan, program: parseGraph(changed, graphTensors(plan.program), "tiny.plan") };
}

it.for([
  ["an input that is another part", "part = 0, range", "part = 1, range"],
  ["an unknown input", 'input = "x"', 'input = "z"'],
  ["another level in its scheme", "scale = 40, security", "scale = 40.5, security"],
] as const)("a program with %s is refused", ([, from, to]) => {
  const failure = failureOf(() => verifyPlan(withText(from, to), "tiny.plan"));
  expect(failure.exit).toBe(3);
});

it.for([
  ["a layout of another ring", /(to = ")4096( repeats \d+)? x/, "$12048 x"],
  ["a plan without baby steps", /babies = \[[^\]]*\]/, "babies = []"],
  ["a plan with steps beyond the slots", /giants = \[0/, "giants = [0, 5000"],
  ["an op that does not exist", 'op = "conv2d"', 'op = "conv3d"'],
  ["an op that takes other operands", 'op = "conv2d"', 'op = "dense"'],
  ["settings that its op does not allow", "groups = 1", "groups = 0"],
  ["a constant too few", 'operands = [[1, 6, 6], "constant", "constant"]', 'operands = [[1, 6, 6], "constant"]'],
  ["an operand of another shape", "operands = [[1, 6, 6]", "operands = [[1, 6, 5]"],
  ["operands that are neither shapes nor constants", "operands = [[1, 6, 6]", 'operands = ["image"'],
  ["no layout for its operand", /from = \["[^"]*"\]/, "from = []"],
  ["text instead of a layout", /from = \["[^"]*"\]/, 'from = ["somewhere"]'],
  ["weights for a baby step it does not take", "baby = 0,", "baby = 7,"],
  ["weights for a giant step it does not take", "giant = 0,", "giant = 7,"],
  ["weights for a ciphertext it does not have", /(he_encode\(.*)to = 0/, "$1to = 1"],
  ["weights of a ciphertext it does not have", /(he_encode\(.*)from = 0/, "$1from = 1"],
] as const)("a recipe with %s is refused", ([, from, to]) => {
  expectRefusal(withText(from, to), "layer-plan-invalid", 3, "program");
});

/** The program with one node replaced; nothing is inferred again, as in a program that lies about its types. */
function withNode(op: Node["op"], change: (node: Node) => Node): Plan {
  const at = plan.program.nodes.findLastIndex((node) => node.op === op);
  return { ...plan, program: { ...plan.program, nodes: plan.program.nodes.with(at, change(plan.program.nodes[at]!)) } };
}

it("a program that breaks the rules of graphs is refused", () => {
  const broken: readonly Plan[] = [
    withNode("he_add", (node) => ({ ...node, inputs: [node.id, node.id] })),
    withNode("he_add", (node) => ({ ...node, inputs: [10 ** 6, 0] }) as unknown as Node),
    withNode("he_rescale", (node) => ({ ...node, inputs: [] })),
    withNode("he_rescale", (node) => ({ ...node, type: { kind: "cipher", level: 3, scaleBits: 40, size: 2 } })),
    withNode("he_add", (node) => ({ ...node, name: plan.program.nodes[0]!.name })),
    withNode("he_rotate", (node) => ({ ...node, op: "he_teleport" }) as unknown as Node),
    withNode("he_relinearize", (node) => ({ ...node, op: "he_negate", attrs: {} }) as Node),
    { ...plan, program: { ...plan.program, outputs: [] } },
    { ...plan, program: plan.source },
  ];
  for (const changed of broken) expectRefusal(changed, "plan-program", 3, "program");
});

it("a scale that is off by less than types show is refused before SEAL would", () => {
  const changed = withNode("he_encode", (node) => {
    if (node.op !== "he_encode") return node;
    return { ...node, attrs: { ...node.attrs, scale: node.attrs.scale * (1 + 2 ** -30) } };
  });
  expect(expectRefusal(changed, "plan-program", 3, "program")).toContain("scale");
});

it("an output that is not brought to its canonical scale is refused", () => {
  const last = plan.program.nodes.findLast((node) => node.op === "he_output")!;
  const early = plan.program.nodes.find((node) => node.op === "he_input")!;
  const program: Graph = {
    ...plan.program,
    nodes: plan.program.nodes.with(last.id, { ...last, inputs: [early.id] } as Node),
  };
  expect(expectRefusal({ ...plan, program }, "plan-program", 3, "program")).toContain("level 3");
});

it("the network must be sound and have the plan's inputs and outputs", () => {
  const { nodes, outputs } = plan.source;
  const renamed = nodes.map((node) => (node.name === "x" ? { ...node, name: "z" } : node));
  for (const source of [
    { ...plan.source, nodes: renamed },
    { ...plan.source, outputs: [{ ...outputs[0]!, name: "z" }] },
    { ...plan.source, outputs: [...outputs, { name: "more", node: nodes[0]!.id }] },
    { ...plan.source, outputs: [] },
    plan.program,
  ]) {
    expectRefusal({ ...plan, source }, "plan-program", 3, "source");
  }
});

it("client and server refuse the same parameters, each for itself", () => {
  const weak = { ...plan.security, bits: 192 };
  const view = readBundle(writeBundle({ ...plan, security: weak }), "tiny.client");
  const failure = failureOf(() => verifyClient(view, "tiny.client"));
  expect([failure.code, failure.exit]).toEqual(["security-overstated", 6]);
  const file = writePlan({ ...plan, security: weak }).bytes;
  expect(failureOf(() => openPlan(file, "tiny.plan")).code).toBe("security-overstated");
});

it("spans of nodes play no part", () => {
  const nodes = plan.program.nodes.map((node) => ({ ...node, span: noSpan }));
  expect(writePlan({ ...plan, program: { ...plan.program, nodes } }).bytes).toEqual(bytes);
});
