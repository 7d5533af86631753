import { hostOf } from "../grammar/index.ts";
import { type JsonInput, type JsonObject, type JsonValue, parseJson, printJson } from "../src/base/json.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { compileModel } from "../src/driver/compile.ts";
import { parseGraph } from "../src/driver/run-plan.ts";
import type { Plan } from "../src/plan/plan.ts";
import { readPlan } from "../src/plan/plan-file.ts";
import { contentHash } from "../src/plan/plan-id.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { randomFrom } from "./arbitrary.ts";

const text = `network tiny {
  weights "tiny.safetensors"
  input x: [1, 6, 6] in 0 .. 1
  h = square(conv2d(x, weight = @conv.weight, bias = @conv.bias))
  output y = dense(flatten(h), weight = @fc.weight)
}
target seal {
  precision = 8 bits
}
`;

function drawn(shape: readonly number[], seed: number): Tensor {
  const random = randomFrom(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    shape,
    Array.from({ length: count }, () => Math.fround((random() - 0.5) / 4)),
  );
}

/** A network of a convolution, a square and a dense layer; all its weights but the bias are too large to print. */
export function tinyWeights(): Map<string, Tensor> {
  return new Map([
    ["conv.weight", drawn([2, 1, 3, 3], 1)],
    ["conv.bias", drawn([2], 2)],
    ["fc.weight", drawn([4, 32], 3)],
  ]);
}

/** Compiles the tiny network to a plan and its file. */
export function tinyPlan(weights: ReadonlyMap<string, Tensor> = tinyWeights()) {
  return compileModel({ path: "tiny.hen", text }, hostOf(weights));
}

export function open(bytes: Uint8Array): Plan {
  return readPlan(bytes, "tiny.plan", parseGraph);
}

/** The description in a plan file, as a nested map. */
export function descriptionOf(bytes: Uint8Array): JsonObject {
  const { metadata } = readSafetensors(bytes, "tiny.plan");
  return parseJson(metadata.get("sealwright")!, { path: "tiny.plan", limit: 1e8 }) as JsonObject;
}

/** The same plan file with other texts in its metadata. */
export function withMetadata(bytes: Uint8Array, metadata: string): Uint8Array {
  return writeSafetensors(readSafetensors(bytes, "tiny.plan").tensors, new Map([["sealwright", metadata]]));
}

/** A plan file changed by somebody who knows how to make its id right. `path` is as `scheme.primes.2`. */
export function forge(
  bytes: Uint8Array,
  path: string,
  change: (value: JsonValue | undefined) => JsonInput | undefined,
): Uint8Array {
  const { tensors } = readSafetensors(bytes, "tiny.plan");
  const changed = changedAt(descriptionOf(bytes), path.split("."), change) as JsonObject;
  const rest = new Map([...changed].filter(([key]) => key !== "planId"));
  return withMetadata(bytes, printJson(new Map([...rest, ["planId", contentHash(rest, tensors)]])));
}

function changedAt(
  value: JsonValue | undefined,
  path: readonly string[],
  change: (value: JsonValue | undefined) => JsonInput | undefined,
): JsonValue | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return change(value) as JsonValue | undefined;
  if (Array.isArray(value)) {
    const items = value as readonly JsonValue[];
    return items.map((item, i) => (`${i}` === key ? changedAt(item, rest, change)! : item));
  }
  const map = new Map(value as JsonObject);
  const next = changedAt(map.get(key), rest, change);
  if (next === undefined) map.delete(key);
  else map.set(key, next);
  return map;
}
