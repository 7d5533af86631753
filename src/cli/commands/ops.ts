import { Command } from "commander";
import { operators } from "../../onnx/index.ts";
import { ops } from "../../ops/index.ts";
import { onnxJson, onnxOperatorReference, onnxReference } from "../../report/onnx-reference.ts";
import { opReference, opsJson, opsReference } from "../../report/reference.ts";
import { chosen } from "../flags.ts";
import type { Io } from "../io.ts";

/** A table of ops as a reference. */
interface Reference {
  readonly kind: string;
  readonly names: readonly string[];
  all(): string;
  one(name: string): string | undefined;
  json(): readonly object[];
}

const ofLanguage: Reference = {
  kind: "op",
  names: Object.keys(ops),
  all: opsReference,
  one: opReference,
  json: opsJson,
};

const ofOnnx: Reference = {
  kind: "operator of ONNX",
  names: [...operators.keys()],
  all: onnxReference,
  one: onnxOperatorReference,
  json: onnxJson,
};

/** `sealwright ops [NAME]`: the op table, or that of ONNX's operators, as a reference. */
export function opsCommand(io: Io): Command {
  return new Command("ops")
    .description("list the ops of the language, or tell all about one")
    .argument("[name]", "an op, such as conv2d")
    .option("--onnx", "the operators of ONNX instead")
    .action((name: string | undefined, flags: { readonly onnx?: boolean; readonly json?: boolean }) => {
      const { kind, names, all, one, json } = flags.onnx ? ofOnnx : ofLanguage;
      const wanted = name === undefined ? undefined : chosen(kind, name, names, (n) => n);
      if (flags.json) {
        const list = json().filter((op) => wanted === undefined || (op as { name: string }).name === wanted);
        io.out(`${JSON.stringify(wanted === undefined ? list : list[0])}\n`);
      } else io.out(wanted === undefined ? all() : one(wanted)!);
    });
}
