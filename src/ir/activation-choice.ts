import type { AttrValue } from "../ops/attributes.ts";
import { annotationOf, type Node } from "./graph.ts";

/** What to do about an activation that encrypted evaluation does not know. */
export type ActivationChoice =
  | { readonly kind: "client" }
  /** The client or a polynomial, whichever makes the whole faster. */
  | { readonly kind: "auto" }
  /** Without a degree, of the smallest that the tolerance allows. */
  | { readonly kind: "polynomial"; readonly degree?: number };

/** What `activationChoice` reads, in words. */
export const activationChoices = "polynomial, polynomial(degree = 2 .. 63), client or auto";

/** A choice from its parts, as targets and annotations give them; undefined when there is no such choice. */
export function activationChoice(kind: AttrValue | undefined, degree?: AttrValue): ActivationChoice | undefined {
  if (degree !== undefined) {
    const isDegree = typeof degree === "number" && Number.isInteger(degree) && degree >= 2 && degree <= 63;
    return kind === "polynomial" && isDegree ? { kind, degree } : undefined;
  }
  return kind === "polynomial" || kind === "client" || kind === "auto" ? { kind } : undefined;
}

/** What is to be done at one layer: what its own `@activation` says, else what is said of all layers of its op. */
export function choiceAt(node: Node, byOp: ReadonlyMap<string, ActivationChoice>): ActivationChoice | undefined {
  const own = annotationOf(node, "activation");
  return own === undefined ? byOp.get(node.op) : activationChoice(own.positional[0], own.named.degree);
}
