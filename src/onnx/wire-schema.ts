/** The messages of ONNX that are read. */
export type MessageName =
  | "ModelProto"
  | "OperatorSetIdProto"
  | "FunctionProto"
  | "GraphProto"
  | "NodeProto"
  | "AttributeProto"
  | "TensorProto"
  | "SparseTensorProto"
  | "StringStringEntryProto"
  | "ValueInfoProto"
  | "TypeProto"
  | "TypeProto.Tensor"
  | "TensorShapeProto"
  | "TensorShapeProto.Dimension";

/**
 * What the scan does with a field. `skipped` changes no result: texts for people, metadata, hints for training and for
 * placing nodes on devices. `emptied` is walked to its end, and only that it was there is kept. `numbers` are those of a
 * tensor; they stay in the file until they are needed.
 */
export type Field =
  | { readonly kind: ScalarKind; readonly repeated: boolean }
  | { readonly kind: "message" | "emptied"; readonly of: MessageName; readonly repeated: boolean }
  | { readonly kind: "numbers"; readonly element: "varint" | "fixed32" | "fixed64" | "bytes" }
  | { readonly kind: "skipped" };

/** Both kinds of integers are varints; negative ones of either take ten bytes. */
type ScalarKind = "int32" | "int64" | "fixed32" | "text" | "bytes";

const one = (kind: ScalarKind): Field => ({ kind, repeated: false });
const list = (kind: ScalarKind): Field => ({ kind, repeated: true });
const message = (of: MessageName): Field => ({ kind: "message", of, repeated: false });
const messages = (of: MessageName): Field => ({ kind: "message", of, repeated: true });
const emptied = (of: MessageName): Field => ({ kind: "emptied", of, repeated: true });
const numbers = (element: "varint" | "fixed32" | "fixed64" | "bytes"): Field => ({ kind: "numbers", element });
const skipped: Field = { kind: "skipped" };

/** The fields of each message by number, up to IR version 13. A field that is not here is no field of ONNX. */
export const schema: { readonly [name in MessageName]: { readonly [field: number]: Field } } = {
  ModelProto: {
    1: one("int64"), // ir_version
    2: skipped, // producer_name
    3: skipped, // producer_version
    4: skipped, // domain
    5: skipped, // model_version
    6: skipped, // doc_string
    7: message("GraphProto"),
    8: messages("OperatorSetIdProto"),
    14: skipped, // metadata_props
    20: skipped, // training_info
    25: messages("FunctionProto"),
    26: skipped, // configuration, of devices
  },
  OperatorSetIdProto: { 1: one("text"), 2: one("int64") },
  // What a function does is not read; its name is, since its calls look like any other node.
  FunctionProto: {
    1: one("text"), // name
    2: skipped, // since_version
    3: skipped, // status
    4: skipped, // input
    5: skipped, // output
    6: skipped, // attribute
    7: skipped, // node
    8: skipped, // doc_string
    9: skipped, // opset_import
    10: one("text"), // domain
    11: skipped, // attribute_proto
    12: skipped, // value_info
    13: skipped, // overload
    14: skipped, // metadata_props
  },
  GraphProto: {
    1: messages("NodeProto"),
    2: one("text"), // name
    5: messages("TensorProto"), // initializer
    10: skipped, // doc_string
    11: messages("ValueInfoProto"), // input
    12: messages("ValueInfoProto"), // output
    13: messages("ValueInfoProto"), // value_info
    14: skipped, // quantization_annotation
    15: messages("SparseTensorProto"), // sparse_initializer
    16: skipped, // metadata_props
  },
  NodeProto: {
    1: list("text"), // input
    2: list("text"), // output
    3: one("text"), // name
    4: one("text"), // op_type
    5: messages("AttributeProto"),
    6: skipped, // doc_string
    7: one("text"), // domain
    8: skipped, // overload, of functions
    9: skipped, // metadata_props
    10: skipped, // device_configurations
  },
  AttributeProto: {
    1: one("text"), // name
    2: one("fixed32"), // f
    3: one("int64"), // i
    4: one("bytes"), // s
    5: message("TensorProto"), // t
    6: emptied("GraphProto"), // g
    7: list("fixed32"), // floats
    8: list("int64"), // ints
    9: list("bytes"), // strings
    10: emptied("TensorProto"), // tensors
    11: emptied("GraphProto"), // graphs
    13: skipped, // doc_string
    14: emptied("TypeProto"), // tp
    15: emptied("TypeProto"), // type_protos
    20: one("int32"), // type
    21: one("text"), // ref_attr_name
    22: emptied("SparseTensorProto"), // sparse_tensor
    23: emptied("SparseTensorProto"), // sparse_tensors
  },
  TensorProto: {
    1: list("int64"), // dims
    2: one("int32"), // data_type
    4: numbers("fixed32"), // float_data
    5: numbers("varint"), // int32_data
    6: numbers("bytes"), // string_data
    7: numbers("varint"), // int64_data
    8: one("text"), // name
    9: numbers("bytes"), // raw_data
    10: numbers("fixed64"), // double_data
    11: numbers("varint"), // uint64_data
    12: skipped, // doc_string
    13: messages("StringStringEntryProto"), // external_data
    14: one("int32"), // data_location
    16: skipped, // metadata_props
  },
  SparseTensorProto: {
    1: message("TensorProto"), // values
    2: message("TensorProto"), // indices
    3: list("int64"), // dims
  },
  StringStringEntryProto: { 1: one("text"), 2: one("text") },
  ValueInfoProto: {
    1: one("text"), // name
    2: message("TypeProto"),
    3: skipped, // doc_string
    4: skipped, // metadata_props
  },
  TypeProto: {
    1: message("TypeProto.Tensor"),
    4: skipped, // sequence_type
    5: skipped, // map_type
    6: skipped, // denotation
    7: skipped, // opaque_type
    8: skipped, // sparse_tensor_type
    9: skipped, // optional_type
  },
  "TypeProto.Tensor": { 1: one("int32"), 2: message("TensorShapeProto") },
  TensorShapeProto: { 1: messages("TensorShapeProto.Dimension") },
  "TensorShapeProto.Dimension": { 1: one("int64"), 2: one("text"), 3: skipped /* denotation */ },
};
