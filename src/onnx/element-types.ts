import type { NumberFormat } from "../weights/number-formats.ts";
import type { ElementType, OtherElementType } from "./model.ts";

/** How numbers of an element type are stored: as raw bytes, and in the typed field of TensorProto of this number. */
export interface Storage {
  readonly type: ElementType;
  readonly format: NumberFormat;
  readonly typedField: keyof typeof typedFields;
}

/** The fields of TensorProto that hold numbers of one kind each. */
export const typedFields = {
  4: "float_data",
  5: "int32_data",
  6: "string_data",
  7: "int64_data",
  10: "double_data",
  11: "uint64_data",
} as const;

/** The values of TensorProto.DataType that can be computed on. */
const storages: ReadonlyMap<number, Storage> = new Map([
  [1, { type: "float", format: "f32", typedField: 4 }],
  [2, { type: "uint8", format: "u8", typedField: 5 }],
  [3, { type: "int8", format: "i8", typedField: 5 }],
  [4, { type: "uint16", format: "u16", typedField: 5 }],
  [5, { type: "int16", format: "i16", typedField: 5 }],
  [6, { type: "int32", format: "i32", typedField: 5 }],
  [7, { type: "int64", format: "i64", typedField: 7 }],
  [9, { type: "bool", format: "bool", typedField: 5 }],
  [10, { type: "float16", format: "f16", typedField: 5 }],
  [11, { type: "double", format: "f64", typedField: 10 }],
  [12, { type: "uint32", format: "u32", typedField: 11 }],
  [13, { type: "uint64", format: "u64", typedField: 11 }],
  [16, { type: "bfloat16", format: "bf16", typedField: 5 }],
]);

/** Those that are read as a name only. */
const others: ReadonlyMap<number, OtherElementType> = new Map([
  [8, "string"],
  [14, "complex64"],
  [15, "complex128"],
  [17, "float8e4m3fn"],
  [18, "float8e4m3fnuz"],
  [19, "float8e5m2"],
  [20, "float8e5m2fnuz"],
  [21, "uint4"],
  [22, "int4"],
  [23, "float4e2m1"],
  [24, "float8e8m0"],
  [25, "uint2"],
  [26, "int2"],
]);
const names: ReadonlySet<string> = new Set([...storages.values()].map((storage) => storage.type));

export function storageOf(dataType: number): Storage | undefined {
  return storages.get(dataType);
}

/** The name of a value of TensorProto.DataType, also where its numbers are not read. */
export function elementTypeOf(dataType: number): ElementType | OtherElementType {
  return storages.get(dataType)?.type ?? others.get(dataType) ?? `number ${dataType}`;
}

/** Whether numbers of this type can be computed on. */
export function isElementType(type: ElementType | OtherElementType): type is ElementType {
  return names.has(type);
}
