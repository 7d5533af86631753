import { invariant, isProblem, type Problem, problem } from "../base/diagnostic.ts";
import { type OpName, opNamed } from "../ops/index.ts";
import type { InputSpec, Operand } from "../ops/op.ts";
import { shapeOf, tensorType, type ValueType } from "../ops/value-type.ts";
import type { Scheme } from "../scheme/parameters.ts";
import type { Node } from "./graph.ts";

/** How type rules see a node of the network, packed or leveled stage. */
export function operandOf(node: Node): Operand {
  const shape = shapeOf(node.type);
  invariant(shape !== undefined, `'${node.name}' has no shape`);
  return { name: node.name, shape, constant: node.op === "constant" };
}

/**
 * The type of a new node: for a network op its tensor type (a pass that decides layouts states the type itself),
 * for an HE op the type the scheme gives it. A problem where the operands do not fit.
 */
export function inferType(
  op: OpName,
  inputs: readonly Node[],
  attrs: object,
  scheme: Scheme | undefined,
): ValueType | Problem {
  const definition = opNamed(op)!;
  const wrong = checkOperands(op, definition.inputs, inputs);
  if (wrong !== undefined) return wrong;
  if (definition.family === "network") {
    if (inputs.some((n) => shapeOf(n.type) === undefined)) return problem("wrong-value-kind", { op, needed: "tensor" });
    const shape = definition.shape(inputs.map(operandOf), attrs as never);
    return isProblem(shape) ? shape : tensorType(shape);
  }
  if (scheme === undefined) return problem("needs-scheme", { op });
  return definition.type(
    inputs.map((n) => n.type),
    attrs as never,
    scheme,
  );
}

/** Checks number and kind of operands against the op's declaration. */
function checkOperands(op: OpName, specs: readonly InputSpec[], inputs: readonly Node[]): Problem | undefined {
  const variadic = specs.at(-1)?.variadic === true;
  const least = specs.filter((s) => !s.optional).length;
  if (inputs.length < least || (!variadic && inputs.length > specs.length)) {
    const allowed = variadic
      ? `at least ${least}`
      : least === specs.length
        ? `${least}`
        : `${least} to ${specs.length}`;
    return problem("operand-count", { op, found: inputs.length, allowed });
  }
  for (const [i, input] of inputs.entries()) {
    const spec = specs[Math.min(i, specs.length - 1)]!;
    const encrypted =
      input.type.kind === "tensor"
        ? input.op !== "constant"
        : input.type.kind !== "plain" && input.type.kind !== "layer";
    if (spec.takes === "constant" && encrypted) return problem("needs-constant", { op, operand: spec.name });
    if (spec.takes === "encrypted" && !encrypted) return problem("needs-encrypted", { op, operand: spec.name });
  }
  return undefined;
}
