import { Command } from "commander";
import { SealwrightError } from "../../base/diagnostic.ts";
import { checkSource } from "../../driver/compile.ts";
import { diagnosticsJson, renderDiagnostics } from "../diagnostics.ts";
import { compileOptionsOf } from "../flags.ts";
import type { Io } from "../io.ts";
import { addModelFlags, type ModelFlags, openModel } from "../model-source.ts";

/** `sealwright check`: everything `compile` would complain about, and nothing else. */
export function checkCommand(io: Io): Command {
  const command = new Command("check")
    .description("say what is wrong with a model, without writing anything")
    .argument("<model>", "a model: .hen text or ONNX");
  return addModelFlags(command).action((path: string, flags: ModelFlags & { readonly json?: boolean }) => {
    const found = checkSource(openModel(io, path, flags).source, compileOptionsOf(io, flags, path));
    if (found.some((d) => d.severity === "error")) throw new SealwrightError(found);
    if (flags.json) io.out(diagnosticsJson(found));
    else io.err(renderDiagnostics(found));
  });
}
