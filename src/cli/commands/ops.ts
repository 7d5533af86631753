import { Command } from "commander";
import { ops } from "../../ops/index.ts";
import { opReference, opsJson, opsReference } from "../../report/reference.ts";
import { chosen } from "../flags.ts";
import type { Io } from "../io.ts";

/** `sealwright ops [NAME]`: the op table as a reference. */
export function opsCommand(io: Io): Command {
  return new Command("ops")
    .description("list the ops of the language, or tell all about one")
    .argument("[name]", "an op, such as conv2d")
    .action((name: string | undefined, flags: { readonly json?: boolean }) => {
      const known = Object.keys(ops);
      const wanted = name === undefined ? undefined : chosen("op", name, known, (n) => n);
      if (flags.json) {
        const list = opsJson().filter((op) => wanted === undefined || (op as { name: string }).name === wanted);
        io.out(`${JSON.stringify(wanted === undefined ? list : list[0])}\n`);
      } else io.out(wanted === undefined ? opsReference() : opReference(wanted)!);
    });
}
