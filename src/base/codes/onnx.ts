import { code } from "./code.ts";

const listed = (names: readonly string[]) => names.map((name) => `'${name}'`).join(", ");

/** SW65x to SW69x: ONNX models. */
export const onnxCodes = {
  "onnx-file-kind": code<{ found: string; remedy?: string | undefined }>({
    id: "SW650",
    severity: "error",
    exit: 3,
    message: (p) => `the file is no ONNX model: it ${p.found}`,
    help: (p) => p.remedy ?? "give the .onnx file that your framework exported",
  }),
  "onnx-bytes": code<{ offset: number; reason: string }>({
    id: "SW651",
    severity: "error",
    exit: 3,
    message: (p) => `the ONNX file is damaged at byte ${p.offset}: ${p.reason}`,
    help: "the file was cut off or changed on its way; fetch or export it again",
  }),
  "onnx-limit": code<{ what: string; found: string; limit: string }>({
    id: "SW652",
    severity: "error",
    exit: 5,
    message: (p) => `${p.what}: ${p.found}, at most ${p.limit}`,
    help: "no network that can be encrypted comes near this limit; check that this is the right file",
  }),
  "onnx-incomplete": code<{ reason: string }>({
    id: "SW653",
    severity: "error",
    exit: 3,
    message: (p) => `the ONNX model is incomplete: ${p.reason}`,
    help: "export it again; an ONNX checker (python -m onnx.checker) names everything that is missing",
  }),
  "onnx-version": code<{ domain: string; version: string; allowed: string }>({
    id: "SW654",
    severity: "error",
    exit: 4,
    message: (p) => `the model asks for version ${p.version} of ${p.domain}, ${p.allowed}`,
    help: "export it with an opset_version this can read",
  }),
  "onnx-duplicate": code<{ kind: string; name: string; where: string }>({
    id: "SW655",
    severity: "error",
    exit: 3,
    message: (p) => `the ${p.kind} '${p.name}' is defined twice: ${p.where}`,
    help: "every value of an ONNX graph has one definition; export the model again",
  }),
  "onnx-unknown-value": code<{ name: string; meant: string | undefined }>({
    id: "SW656",
    severity: "error",
    exit: 3,
    message: (p) => `the value '${p.name}' is used and nothing defines it`,
    help: (p) => (p.meant === undefined ? "export the model again" : `did you mean '${p.meant}'?`),
  }),
  "onnx-cycle": code<{ names: readonly string[] }>({
    id: "SW657",
    severity: "error",
    exit: 3,
    message: (p) => `values of the graph depend on themselves: ${listed(p.names)}`,
    help: "a network has no cycles; unroll the loop before you export it",
  }),
  "onnx-tensor": code<{ name: string; reason: string }>({
    id: "SW658",
    severity: "error",
    exit: 3,
    message: (p) => `the tensor '${p.name}' is wrong: ${p.reason}`,
    help: "the model was damaged or written by a faulty exporter; export it again",
  }),
  "onnx-value": code<{ name: string; index: number; value: string; allowed: string }>({
    id: "SW659",
    severity: "error",
    exit: 3,
    message: (p) => `element ${p.index} of the tensor '${p.name}' is ${p.value}, allowed are ${p.allowed}`,
    help: "a weight that is no finite number comes from a training run that diverged; train or export the model again",
  }),
  "onnx-tensor-type": code<{ name: string; reason: string }>({
    id: "SW673",
    severity: "error",
    exit: 4,
    message: (p) => `the tensor '${p.name}' cannot be computed on: ${p.reason}`,
    help: "export the model with dense weights that are floats, integers or truth values",
  }),
  "onnx-external-path": code<{ name: string; path: string; reason: string }>({
    id: "SW660",
    severity: "error",
    exit: 6,
    message: (p) => `the tensor '${p.name}' asks for its data from '${p.path}': ${p.reason}`,
    help: "data files lie in the model's own folder or below, as plain files; do not trust a model that looks elsewhere",
  }),
  "onnx-external-data": code<{ name: string; path: string; reason: string }>({
    id: "SW661",
    severity: "error",
    exit: 3,
    message: (p) => `the data of the tensor '${p.name}' in '${p.path}' cannot be used: ${p.reason}`,
    help: "keep the data file beside the model it was exported with",
  }),
  "onnx-unknown-operator": code<{ operator: string; opset: string; meant: string | undefined }>({
    id: "SW662",
    severity: "error",
    exit: 4,
    message: (p) => `there is no support for the operator ${p.operator} (${p.opset})`,
    help: (p) =>
      p.meant === undefined
        ? "docs/onnx.md lists the operators there are; write the layer with those, or leave it to the client"
        : `did you mean ${p.meant}? docs/onnx.md lists the operators there are`,
  }),
  "onnx-unsupported": code<{ operator: string; opset: string; reason: string; remedy: string }>({
    id: "SW663",
    severity: "error",
    exit: 4,
    message: (p) => `${p.operator} (${p.opset}) cannot be computed: ${p.reason}`,
    help: (p) => p.remedy,
  }),
  "onnx-needs-known": code<{ operator: string; opset: string; operand: string; value: string }>({
    id: "SW664",
    severity: "error",
    exit: 4,
    message: (p) =>
      `${p.operator} (${p.opset}) needs ${p.operand} when compiling, and '${p.value}' is an encrypted value`,
    help: (p) =>
      `make it part of the model, or if it is an input give its numbers with --constant '${p.value}=FILE.npy'`,
  }),
  "onnx-attribute": code<{ operator: string; attribute: string; found: string; allowed: string }>({
    id: "SW665",
    severity: "error",
    exit: 3,
    message: (p) => `the attribute '${p.attribute}' of ${p.operator} is ${p.found}, allowed is ${p.allowed}`,
    help: "the exporter wrote a model that breaks the rules of ONNX; export it again with a newer one",
  }),
  "onnx-operand": code<{ operator: string; reason: string }>({
    id: "SW666",
    severity: "error",
    exit: 3,
    message: (p) => `the operands of ${p.operator} do not fit: ${p.reason}`,
    help: "the model breaks the rules of ONNX; compare the shapes with those of the framework it came from",
  }),
  "onnx-contradiction": code<{ value: string; declared: string; inferred: string }>({
    id: "SW667",
    severity: "error",
    exit: 3,
    message: (p) => `'${p.value}' is declared as ${p.declared}, but the graph makes it ${p.inferred}`,
    help: "the declared shapes do not belong to this graph; export it again, or remove the declaration",
  }),
  "onnx-dimension": code<{ input: string; dimension: string; flag: string; found: string }>({
    id: "SW668",
    severity: "error",
    exit: 3,
    message: (p) => `the dimension ${p.dimension} of the input '${p.input}' is ${p.found}`,
    help: (p) => p.flag,
  }),
  "onnx-type": code<{ input: string; type: string }>({
    id: "SW669",
    severity: "error",
    exit: 4,
    message: (p) => `the input '${p.input}' has elements of type ${p.type}; CKKS encrypts real numbers`,
    help: (p) =>
      `export the model with float inputs, or give the numbers when compiling with --constant '${p.input}=FILE.npy'`,
  }),
  "onnx-range": code<{ input: string }>({
    id: "SW670",
    severity: "warning",
    exit: 3,
    message: (p) => `ONNX does not say which values the input '${p.input}' takes; -1 .. 1 is assumed`,
    help: (p) => `say so with --range '${p.input}=0..1'; values outside are refused when they are encrypted`,
  }),
  "onnx-option": code<{ option: string; name: string; meant: string | undefined; known: readonly string[] }>({
    id: "SW671",
    severity: "error",
    exit: 2,
    message: (p) => `${p.option} names '${p.name}', which the model does not have`,
    help: (p) => (p.meant === undefined ? `there are: ${listed(p.known) || "none"}` : `did you mean '${p.meant}'?`),
  }),
  "onnx-nothing-encrypted": code<{ output: string }>({
    id: "SW672",
    severity: "error",
    exit: 3,
    message: (p) => `the output '${p.output}' does not depend on any encrypted input`,
    help: "its value is known when compiling; remove it from the model's outputs",
  }),
} as const;
