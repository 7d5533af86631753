export type { ExternalFile, OnnxHost } from "./external-data.ts";
export { type Imported, importModel, opsetRange } from "./import.ts";
export type { OnnxOptions } from "./inputs.ts";
export { isReal, type OnnxModel, type OnnxTensor, type OnnxValueInfo } from "./model.ts";
export { layerName } from "./network-writer.ts";
export type { Operator } from "./operator.ts";
export { operators } from "./operators/index.ts";
export { readOnnx, readTensorFile } from "./read-model.ts";
export { refusals } from "./unsupported.ts";
