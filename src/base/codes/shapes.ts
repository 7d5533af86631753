import { code } from "./code.ts";

const shape = (dims: readonly number[]) => `[${dims.join(", ")}]`;
const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

/** SW2xx: shapes, operands and attributes of ops. */
export const shapeCodes = {
  "shape-mismatch": code<{ op: string; left: readonly number[]; right: readonly number[] }>({
    id: "SW201",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' needs matching shapes, got ${shape(p.left)} and ${shape(p.right)}`,
    help: "make both operands the same shape, or reshape one of them",
  }),
  "rank-mismatch": code<{ op: string; operand: string; found: readonly number[]; allowed: string }>({
    id: "SW202",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' needs ${p.operand} of shape ${p.allowed}, got ${shape(p.found)}`,
    help: "reshape the operand, or use flatten before a dense layer",
  }),
  "bad-attribute": code<{ op: string; attribute: string; found: string; allowed: string }>({
    id: "SW203",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.attribute}' of '${p.op}' is ${p.found}, allowed is ${p.allowed}`,
    help: (p) => `see 'sealwright ops ${p.op}' for what '${p.attribute}' means`,
  }),
  "needs-constant": code<{ op: string; operand: string }>({
    id: "SW204",
    severity: "error",
    exit: 4,
    message: (p) => `'${p.operand}' of '${p.op}' must be a constant, got an encrypted value`,
    help: "only the product of two values ('multiply') may be taken between encrypted operands",
  }),
  "needs-encrypted": code<{ op: string; operand: string }>({
    id: "SW205",
    severity: "error",
    exit: 4,
    message: (p) => `'${p.operand}' of '${p.op}' is a constant, where an encrypted value is needed`,
    help: "compute it beforehand and give the result as a weight",
  }),
  "operand-count": code<{ op: string; found: number; allowed: string }>({
    id: "SW206",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' takes ${p.allowed} operand(s), got ${p.found}`,
    help: (p) => `see 'sealwright ops ${p.op}'`,
  }),
  "needs-scheme": code<{ op: string }>({
    id: "SW207",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' works on ciphertexts, but the graph names no scheme`,
    help: "begin the graph with a line 'scheme ckks(...)', as dumps after assign-levels have it",
  }),
  "not-finite": code<{ op: string; index: number; value: string }>({
    id: "SW208",
    severity: "error",
    exit: 3,
    message: (p) => `element ${p.index} of a '${p.op}' is ${p.value}, allowed are finite numbers`,
    help: "look for a division by zero or an overflow in what made these weights",
  }),
  "data-length": code<{ op: string; found: number; shape: readonly number[] }>({
    id: "SW209",
    severity: "error",
    exit: 3,
    message: (p) => `a '${p.op}' of shape ${shape(p.shape)} needs ${product(p.shape)} numbers, got ${p.found}`,
    help: "give as many numbers as the shape has elements",
  }),
  "empty-result": code<{ op: string; shape: readonly number[] }>({
    id: "SW210",
    severity: "error",
    exit: 3,
    message: (p) => `the result of '${p.op}' would have shape ${shape(p.shape)}, which holds no elements`,
    help: "make the operand larger, or take less away from it",
  }),
  "too-many-elements": code<{ op: string; shape: readonly number[]; limit: number }>({
    id: "SW211",
    severity: "error",
    exit: 5,
    message: (p) =>
      `the result of '${p.op}' would have ${product(p.shape)} elements (shape ${shape(p.shape)}), at most ${p.limit} are possible`,
    help: "split the value, or make the network smaller",
  }),
  "kernel-too-large": code<{ op: string; kernel: readonly number[]; padded: readonly number[] }>({
    id: "SW212",
    severity: "error",
    exit: 3,
    message: (p) =>
      `the window of '${p.op}' spans ${p.kernel.join(" x ")} elements, but its padded operand has only ${p.padded.join(" x ")}`,
    help: "use a smaller kernel or dilation, or more padding",
  }),
  "channels-not-divisible": code<{ op: string; channels: number; of: string; groups: number }>({
    id: "SW213",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' has ${p.channels} ${p.of} channels, which ${p.groups} groups do not divide`,
    help: "choose groups that divide both the input and the output channels",
  }),
  "operand-shape": code<{ op: string; operand: string; found: readonly number[]; allowed: string; because: string }>({
    id: "SW214",
    severity: "error",
    exit: 3,
    message: (p) =>
      `'${p.operand}' of '${p.op}' has shape ${shape(p.found)}, needed is ${p.allowed} because ${p.because}`,
    help: "check that these weights belong to this layer",
  }),
  "axis-out-of-range": code<{ op: string; attribute: string; axis: number; rank: number }>({
    id: "SW215",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.attribute}' of '${p.op}' names axis ${p.axis}, but the operand has ${p.rank} dimension(s)`,
    help: "axes count from 0; negative ones count from the last, -1; there is no batch dimension",
  }),
  "not-a-permutation": code<{ op: string; perm: readonly number[]; rank: number }>({
    id: "SW216",
    severity: "error",
    exit: 3,
    message: (p) => `'perm' of '${p.op}' is ${shape(p.perm)}, needed is each of the ${p.rank} axes once`,
    help: "name for each dimension of the result the axis it comes from",
  }),
  "reshape-mismatch": code<{ op: string; from: readonly number[]; to: readonly number[] }>({
    id: "SW217",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' cannot turn shape ${shape(p.from)} (${product(p.from)} elements) into ${shape(p.to)}`,
    help: "keep the number of elements; one size may be -1 and is then worked out",
  }),
  "concat-mismatch": code<{ op: string; axis: number; left: readonly number[]; right: readonly number[] }>({
    id: "SW218",
    severity: "error",
    exit: 3,
    message: (p) =>
      `'${p.op}' joins along axis ${p.axis}, so all other sizes must agree, got ${shape(p.left)} and ${shape(p.right)}`,
    help: "make the operands the same shape outside the axis",
  }),
  "slice-out-of-range": code<{ op: string; dim: number; begin: number; end: number; size: number }>({
    id: "SW219",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.op}' takes ${p.begin} .. ${p.end} of dimension ${p.dim}, which has ${p.size} element(s)`,
    help: "begin must lie before end, and end at most at the size of the dimension",
  }),
  "pad-exceeds-kernel": code<{ op: string; pad: readonly number[]; kernel: readonly number[] }>({
    id: "SW220",
    severity: "error",
    exit: 3,
    message: (p) =>
      `'${p.op}' pads by ${shape(p.pad)}, which leaves windows of ${p.kernel.join(" x ")} with padding only`,
    help: "keep the padding smaller than the kernel",
  }),
  "bad-variance": code<{ layer: string; channel: number; value: number }>({
    id: "SW221",
    severity: "error",
    exit: 3,
    message: (p) =>
      `variance plus epsilon of '${p.layer}' is ${p.value} in channel ${p.channel}, allowed are positive numbers`,
    help: "check the order of scale, shift, mean and variance, or give a larger epsilon",
  }),
  "missing-input": code<{ name: string; given: readonly string[] }>({
    id: "SW222",
    severity: "error",
    exit: 3,
    message: (p) =>
      `input '${p.name}' of the model was not given${p.given.length > 0 ? `, given were ${p.given.map((n) => `'${n}'`).join(", ")}` : ""}`,
    help: "give a tensor for every input of the model",
  }),
  "not-encryptable": code<{ layer: string; op: string; choices: string }>({
    id: "SW223",
    severity: "error",
    exit: 4,
    message: (p) => `'${p.layer}' is a '${p.op}', which cannot be computed on encrypted values as it is`,
    help: (p) => p.choices,
  }),
  "weight-too-large": code<{ name: string; index: number; value: number; limit: number }>({
    id: "SW224",
    severity: "error",
    exit: 3,
    message: (p) => `element ${p.index} of '${p.name}' is ${p.value}, and no more than ${p.limit} can be encoded`,
    help: "such a weight comes from a training run that diverged, or stands for infinity; train again, or write what it is meant to do",
  }),
} as const;
