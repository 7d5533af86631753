import type { Problem } from "../src/base/diagnostic.ts";
import { problem } from "../src/base/diagnostic.ts";
import { type Shape, sameShape } from "../src/base/tensor.ts";
import { type LayerType, sameType, shapeOf, tensorType, type ValueType } from "../src/ops/value-type.ts";
import { type Layout, parseLayout } from "../src/scheme/layout.ts";

/** The parts of a type as text says them. */
export interface TypeParts {
  readonly kind: string | undefined;
  readonly shape: Shape | undefined;
  readonly layout: string | undefined;
  readonly properties: ReadonlyMap<string, number>;
}

const layer: LayerType = { kind: "layer" };

/** What each kind of type consists of, besides a `size` that ciphertexts may have. */
const partsOf: { readonly [kind in ValueType["kind"]]: readonly string[] } = {
  tensor: ["shape"],
  packed: ["shape", "layout"],
  leveled: ["shape", "layout", "level", "scale"],
  layer: [],
  cipher: ["level", "scale"],
  plain: ["level", "scale"],
};

/** Puts a type together, or says why its parts make none. */
export function readType({ kind = "tensor", shape, layout: text, properties }: TypeParts): ValueType | Problem {
  const bad = (reason: string) => problem("bad-type", { found: kind, reason });
  const needed = Object.hasOwn(partsOf, kind) ? partsOf[kind as ValueType["kind"]] : undefined;
  if (needed === undefined) return bad("there is no type of that name");
  const given = [...(shape ? ["shape"] : []), ...(text === undefined ? [] : ["layout"]), ...properties.keys()];
  const missing = needed.find((part) => !given.includes(part));
  if (missing !== undefined) return bad(`it lacks its ${missing}`);
  const extra = given.find((part) => !needed.includes(part) && !(kind === "cipher" && part === "size"));
  if (extra !== undefined) return bad(`it takes no ${extra}`);

  const level = properties.get("level") ?? 0;
  const scaleBits = properties.get("scale") ?? 0;
  const size = properties.get("size") ?? 2;
  if (!Number.isSafeInteger(level) || level < 0) return bad(`its level is ${level}, allowed are integers from 0`);
  if (size !== 2 && size !== 3) return bad(`its size is ${size}, allowed are 2 and 3`);
  const layout = text === undefined ? undefined : parseLayout(text);
  if (text !== undefined && layout === undefined) return bad(`"${text}" is no layout`);
  return assembled(kind as ValueType["kind"], shape ?? [], layout, level, scaleBits, size);
}

function assembled(
  kind: ValueType["kind"],
  shape: Shape,
  layout: Layout | undefined,
  level: number,
  scaleBits: number,
  size: 2 | 3,
): ValueType {
  switch (kind) {
    case "tensor":
      return tensorType(shape);
    case "packed":
      return { kind, shape, layout: layout! };
    case "leveled":
      return { kind, shape, layout: layout!, level, scaleBits };
    case "layer":
      return layer;
    case "cipher":
      return { kind, level, scaleBits, size };
    case "plain":
      return { kind, level, scaleBits };
  }
}

/**
 * The type of a node whose text states one. Tensors and HE values must be what is inferred; layouts and levels are
 * decisions, which the text is taken at its word for as long as the shape is right. Constants stay tensors.
 */
export function settledType(stated: ValueType, inferred: ValueType, constant: boolean): ValueType | "mismatch" {
  const decided = stated.kind === "packed" || stated.kind === "leveled";
  if (!decided || constant) return sameType(stated, inferred) ? inferred : "mismatch";
  const shape = inferred.kind === "tensor" ? shapeOf(inferred) : undefined;
  return shape !== undefined && sameShape(shape, stated.shape) ? stated : "mismatch";
}
