import { type FilePlace, fail } from "../base/diagnostic.ts";
import { sameShape } from "../base/tensor.ts";
import { brokenRules } from "../ir/verify.ts";
import { shapeOf } from "../ops/value-type.ts";
import { givenPorts } from "./inputs.ts";
import type { OpCounts, Plan } from "./plan.ts";
import { type VerifyOptions, verifyClient } from "./verify-client.ts";
import { countOperations, verifyProgram } from "./verify-program.ts";

export { type VerifyOptions, verifyClient } from "./verify-client.ts";

/** Most operations of one kind. At some milliseconds each this is a day of computing. */
const maxOperations = 10 ** 7;

/**
 * Checks a whole plan before any cryptography, as if a stranger had made it: what a client relies on, costs within reason,
 * the program sound and as described, the network it came from. Client and server each do this for themselves.
 * Throws a SealwrightError with the place in the file: exit code 3 for what is wrong, 5 for what is too much, 6 for security.
 */
export function verifyPlan(plan: Plan, path: string, options: VerifyOptions = {}): void {
  checkCosts(plan, path);
  verifyClient(plan, path, options);
  verifyProgram(plan, path);
  checkTotals(plan, path);
  checkSource(plan, path);
}

const operationNames: { readonly [K in keyof OpCounts]: string } = {
  rotations: "rotations",
  conjugations: "conjugations",
  plainMultiplications: "plaintext multiplications",
  monomialMultiplications: "monomial multiplications",
  cipherMultiplications: "ciphertext multiplications",
  relinearizations: "relinearizations",
  rescales: "rescales",
};

/** From the stated counts alone, before anything that takes as long as they say. */
function checkCosts({ cost: { totals } }: Plan, path: string): void {
  for (const [key, what] of Object.entries(operationNames) as [keyof OpCounts, string][]) {
    const found = totals[key];
    if (found > maxOperations) {
      fail("plan-too-costly", { path, part: `cost.totals.${key}` }, { what, found, limit: maxOperations });
    }
  }
}

/** What the totals state is what a user decides by. */
function checkTotals({ cost: { totals }, program }: Plan, path: string): void {
  for (const [what, counted] of Object.entries(countOperations(program)) as [keyof OpCounts, number][]) {
    const stated = totals[what];
    if (stated !== counted) fail("plan-cost", { path, part: `cost.totals.${what}` }, { what, stated, counted });
  }
}

/** The network the plan came from must be one, with the same inputs and outputs. */
function checkSource({ source, inputs, outputs }: Plan, path: string): void {
  const place: FilePlace = { path, part: "source" };
  const [broken] = brokenRules(source, "network");
  if (broken !== undefined) fail("plan-program", place, { reason: broken });
  const named = new Map(source.nodes.flatMap((node) => (node.op === "input" ? [[node.name, node] as const] : [])));
  for (const port of givenPorts(inputs)) {
    const node = named.get(port.name);
    if (node === undefined || !sameShape(node.attrs.shape, port.shape)) {
      fail("plan-program", place, {
        reason: `the network has no input '${port.name}' of shape [${port.shape.join(", ")}]`,
      });
    }
  }
  const fits =
    source.outputs.length === outputs.length &&
    source.outputs.every(({ name, node }, i) => {
      const shape = shapeOf(source.nodes[node]!.type);
      return name === outputs[i]!.name && shape !== undefined && sameShape(shape, outputs[i]!.shape);
    });
  if (!fits) fail("plan-program", place, { reason: "the network's outputs are not those of the plan" });
}
