import type { onnx } from "onnx-proto";
import { type FilePlace, fail, isProblem, problem } from "../base/diagnostic.ts";
import { exactInteger, type Int64, integerWords } from "./int64.ts";
import type { OnnxAttribute } from "./model.ts";
import { readTensor, type TensorSource } from "./read-tensor.ts";

/** The fields of AttributeProto that hold a value, by the number in AttributeProto.AttributeType that announces them. */
const valueFields = {
  1: "f",
  2: "i",
  3: "s",
  4: "t",
  5: "g",
  6: "floats",
  7: "ints",
  8: "strings",
  9: "tensors",
  10: "graphs",
  11: "sparseTensor",
  12: "sparseTensors",
  13: "tp",
  14: "typeProtos",
} as const satisfies { readonly [type: number]: keyof onnx.IAttributeProto };

type AttributeType = keyof typeof valueFields;

/** The attributes of a node by name. What is wrong with a value is reported when its operator is one that is computed. */
export function readAttributes(
  { attribute: protos, opType }: onnx.INodeProto,
  place: FilePlace,
  source: TensorSource,
): ReadonlyMap<string, OnnxAttribute> {
  const attributes = new Map<string, OnnxAttribute>();
  for (const proto of protos ?? []) {
    const name = proto.name ?? "";
    if (attributes.has(name)) {
      fail("onnx-duplicate", place, { kind: "attribute", name, where: `both belong to ${place.part}` });
    }
    attributes.set(name, readAttribute(proto, name, opType ?? "", place, source));
  }
  return attributes;
}

function readAttribute(
  proto: onnx.IAttributeProto,
  attribute: string,
  operator: string,
  place: FilePlace,
  source: TensorSource,
): OnnxAttribute {
  const wrong = (found: string, allowed: string): OnnxAttribute => ({
    kind: "unreadable",
    problem: problem("onnx-attribute", { operator, attribute, found, allowed }),
  });
  const present = Object.entries(valueFields).filter(([, field]) => isPresent(proto, field));
  // Files of the first versions of the format do not state the type.
  const type = (proto.type || Number(present[0]?.[0] ?? 0)) as AttributeType;
  const other = present.find(([key, field]) => Number(key) !== type && !isZero(proto, field));
  if (other !== undefined) return wrong(`of type ${type} and holds ${other[1]}`, "one value of the stated type");

  const float = (value: number): string | undefined => (Number.isFinite(value) ? undefined : `${value}`);
  const floats = proto.floats ?? [];
  const ints = (proto.ints ?? []) as readonly Int64[];
  switch (type) {
    case 1: {
      const value = proto.f ?? 0;
      return float(value) === undefined ? { kind: "float", value } : wrong(`${value}`, "a finite number");
    }
    case 6: {
      const bad = floats.find((value) => !Number.isFinite(value));
      return bad === undefined ? { kind: "floats", value: floats } : wrong(`a list with ${bad}`, "finite numbers");
    }
    case 2: {
      const int = (proto.i ?? 0) as Int64;
      const value = exactInteger(int);
      return value === undefined ? wrong(integerWords(int), "an integer up to 2^53") : { kind: "int", value };
    }
    case 7: {
      const value = ints.map(exactInteger);
      const bad = value.indexOf(undefined);
      if (bad >= 0) return wrong(`a list with ${integerWords(ints[bad]!)}`, "integers up to 2^53");
      return { kind: "ints", value: value as number[] };
    }
    case 3:
      return { kind: "string", value: text(proto.s) };
    case 8:
      return { kind: "strings", value: (proto.strings ?? []).map(text) };
    case 4: {
      if (proto.t === null || proto.t === undefined) return wrong("a tensor without content", "a tensor");
      const name = proto.t.name || attribute;
      const tensor = readTensor(proto.t, name, `${place.part}, attribute '${attribute}'`, source);
      return isProblem(tensor) ? { kind: "unreadable", problem: tensor } : { kind: "tensor", value: tensor };
    }
    case 5:
      return { kind: "graph" };
    default:
      return { kind: "other" };
  }
}

function isPresent(proto: onnx.IAttributeProto, field: keyof onnx.IAttributeProto): boolean {
  const value = Object.hasOwn(proto, field) ? proto[field] : undefined;
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null;
}

/** Some encoders write the default of a field that is not used. */
function isZero({ f, i, s }: onnx.IAttributeProto, field: keyof onnx.IAttributeProto): boolean {
  if (field === "f") return f === 0;
  if (field === "i") return exactInteger((i ?? 0) as Int64) === 0;
  return field === "s" && s?.length === 0;
}

function text(bytes: Uint8Array | null | undefined): string {
  return new TextDecoder().decode(bytes ?? new Uint8Array());
}
