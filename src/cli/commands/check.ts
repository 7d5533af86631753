import { Command } from "commander";
import { SealwrightError } from "../../base/diagnostic.ts";
import { checkModel } from "../../driver/compile.ts";
import { diagnosticsJson, renderDiagnostics } from "../diagnostics.ts";
import { addCompileFlags, type CompileFlags, compileOptionsOf } from "../flags.ts";
import type { Io } from "../io.ts";
import { modelHost } from "../model-host.ts";
import { readSource } from "../read-file.ts";

/** `sealwright check`: everything `compile` would complain about, and nothing else. */
export function checkCommand(io: Io): Command {
  const command = new Command("check")
    .description("say what is wrong with a model, without writing anything")
    .argument("<model>", "a model in .hen text");
  return addCompileFlags(command).action((path: string, flags: CompileFlags & { readonly json?: boolean }) => {
    const found = checkModel(readSource(io, path), modelHost(io, path), compileOptionsOf(io, flags));
    if (found.some((d) => d.severity === "error")) throw new SealwrightError(found);
    if (flags.json) io.out(diagnosticsJson(found));
    else io.err(renderDiagnostics(found));
  });
}
