import { invariant } from "../base/diagnostic.ts";
import type { OpAttrs } from "../ir/graph.ts";
import { idle, layoutElements, parseLayout } from "../scheme/layout.ts";

/** 1 for each coefficient of a ciphertext that carries an element of its layout, 0 for each that a mask hides. */
export function openCoefficients({ layout: text, part }: OpAttrs<"he_mask">): Uint8Array {
  const layout = parseLayout(text);
  invariant(layout?.coefficients && part < layout.ciphertexts, "a mask has a layout of coefficients and a part of it");
  const degree = 2 * layout.slots;
  const own = layoutElements(layout).subarray(part * degree, (part + 1) * degree);
  return Uint8Array.from(own, (element) => (element === idle ? 0 : 1));
}
