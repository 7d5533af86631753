/** The library: everything the command line does, on values instead of files. */
export { hostOf, type ModelHost } from "../grammar/index.ts";
export { pipeline } from "../passes/pipeline.ts";
export { type ExitCode, exit } from "./base/codes.ts";
export { CompilerBug, type Diagnostic, SealwrightError } from "./base/diagnostic.ts";
export { renderDiagnostic } from "./base/render.ts";
export type { SourceFile } from "./base/span.ts";
export { type Shape, type Tensor, tensor } from "./base/tensor.ts";
export { type CalibrationOptions, calibrateRanges } from "./driver/calibrate-ranges.ts";
export {
  type AssignedLayer,
  type CirculantModel,
  type CirculantOptions,
  circulantModel,
} from "./driver/circulant-model.ts";
export type { Closeness } from "./driver/closeness.ts";
export {
  type Compiled,
  type CompiledRounds,
  type CompileOptions,
  checkModel,
  compileModel,
  compileOnnx,
  compileSource,
  compileTo,
} from "./driver/compile.ts";
export { type GateOptions, type GateSample, type GatesReport, measureGates } from "./driver/gates.ts";
export { type ImportedText, importOnnx, type OnnxSource } from "./driver/import-onnx.ts";
export { optimizeModel } from "./driver/optimize.ts";
export { type PrunedModel, type PruneOptions, pruneModel } from "./driver/prune-model.ts";
export type { ModelSource } from "./driver/read-model.ts";
export { type RewrittenModel, rewriteModel, type SkipTotals } from "./driver/rewrite-model.ts";
export {
  type MachineName,
  machines,
  openAnyPlan,
  openClientPlan,
  openPlan,
  openSession,
  runAllRounds,
  runPlan,
} from "./driver/run-plan.ts";
export type { Sample } from "./driver/samples.ts";
export { compilerVersion } from "./driver/version.ts";
export type { Graph, Node } from "./ir/graph.ts";
export type { ObservedRange } from "./ir/observe-ranges.ts";
export { printGraph } from "./ir/print.ts";
export type { LayerRange, RangeTable } from "./ir/ranges.ts";
export { readRanges, type StoredRanges, writeRanges } from "./ir/ranges-file.ts";
export type { ExternalFile, OnnxHost, OnnxOptions } from "./onnx/index.ts";
export { type ClientBundle, readBundle, writeBundle } from "./plan/bundle.ts";
export { type ClientRounds, clientRounds, isClientRounds } from "./plan/client-rounds.ts";
export { readCostFile } from "./plan/cost-file.ts";
export type { Tensors } from "./plan/machine.ts";
export type { ClientView, Cost, LayerCost, Plan, Port } from "./plan/plan.ts";
export { isRoundsPlan, type RoundsPlan } from "./plan/rounds.ts";
export { writeRoundsBundle } from "./plan/rounds-bundle.ts";
export { explainLayer, layerNames } from "./report/explain-layer.ts";
export { gatesTable } from "./report/gates.ts";
export { gatesJson, missedGates } from "./report/gates-json.ts";
export { inspectJson } from "./report/inspect-json.ts";
export { inspectTable } from "./report/inspect-table.ts";
export { type KeyChoiceRow, keyChoiceRows } from "./report/pareto.ts";
export { codeReference, opReference, opsReference, passesReference } from "./report/reference.ts";
export { type CostTable, defaultCostTable } from "./scheme/cost-table.ts";
export { decryptRounds, encryptRounds, evaluateRound, type Sent, stepRounds } from "./seal/exchange.ts";
export {
  decryptOutputs,
  encryptInputs,
  evaluateCiphertexts,
  generateKeys,
  type KeyFiles,
  type SealOptions,
  type Session,
} from "./seal/index.ts";
export { readNpy, writeNpy } from "./weights/npy.ts";
export { readSafetensors, writeSafetensors, writeWeights } from "./weights/safetensors.ts";
