import { Command } from "commander";
import { codes } from "../../base/codes.ts";
import { fail } from "../../base/diagnostic.ts";
import { nearest } from "../../base/nearest.ts";
import { codeFacts, codeReference } from "../../report/reference.ts";
import type { Io } from "../io.ts";

/** `sealwright explain CODE`: what a diagnostic means and what to do about it. */
export function explainCommand(io: Io): Command {
  return new Command("explain")
    .description("say what a diagnostic code such as SW201 means, and what to do about it")
    .argument("[code]", "SW and three digits, or the name; without it, all codes are listed")
    .action((code: string | undefined, flags: { readonly json?: boolean }) => {
      const names = Object.keys(codes) as (keyof typeof codes)[];
      if (code === undefined) {
        const facts = names.map(codeFacts).sort((a, b) => (a.id < b.id ? -1 : 1));
        io.out(
          flags.json ? `${JSON.stringify(facts)}\n` : facts.map((f) => `${f.id}  ${f.name}: ${f.message}\n`).join(""),
        );
        return;
      }
      const text = codeReference(code);
      if (text === undefined) {
        const known = names.flatMap((name) => [codes[name].id, name]);
        fail("unknown-choice", "nowhere", {
          kind: "diagnostic code",
          found: code,
          suggestion: nearest(code.toUpperCase(), known) ?? nearest(code.toLowerCase(), known),
          known: ["what 'sealwright explain' lists"],
        });
      }
      const name = names.find((n) => text.startsWith(`${codes[n].id} `))!;
      io.out(flags.json ? `${JSON.stringify(codeFacts(name))}\n` : text);
    });
}
