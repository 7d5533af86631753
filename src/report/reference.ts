import type { Pass } from "../../passes/pass.ts";
import type { Code } from "../base/codes/code.ts";
import { type CodeName, codes } from "../base/codes.ts";
import type { AnyOp } from "../ops/index.ts";
import { opNamed, ops } from "../ops/index.ts";
import { table } from "./table.ts";

/** Every op with its first sentence, layers before HE ops, as `sealwright ops` lists them. */
export function opsReference(): string {
  const entries = Object.keys(ops).map((name) => ({ name, op: opNamed(name)! }));
  const list = (family: AnyOp["family"]) =>
    table(
      [
        { title: "op", align: "left", cell: (e) => e.name },
        { title: "what it does", align: "left", cell: (e) => firstSentence(e.op.doc), maxWidth: 92 },
      ],
      entries.filter((e) => e.op.family === family),
    );
  return `Layers of a network:\n\n${list("network")}\nOps of an encrypted program (in dumps after lower-to-he):\n\n${list("he")}\n'sealwright ops NAME' tells all about one op.\n`;
}

/** One op: doc, example, operands and attributes with what they allow. Undefined for an unknown name. */
export function opReference(name: string): string | undefined {
  const op = opNamed(name);
  if (op === undefined) return undefined;
  const lines = [`${name}: ${op.doc}`];
  if (op.family === "network") {
    lines.push("", `  ${op.example}`);
    if (op.notEncrypted !== undefined) lines.push("", `SEAL cannot compute this as it is: ${op.notEncrypted}`);
  }
  if (op.inputs.length > 0) {
    lines.push("", "operands:");
    for (const input of op.inputs) {
      const how = [
        input.takes === "any" ? undefined : input.takes,
        input.optional && "may be left out",
        input.variadic && "one or more",
      ];
      const notes = how.filter((h) => typeof h === "string");
      lines.push(`  ${input.name}: ${input.doc}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`);
    }
  }
  const attributes = Object.entries(op.attrs);
  if (attributes.length > 0) {
    lines.push("", "attributes:");
    for (const [key, attr] of attributes) {
      const fallback =
        attr.fallback === undefined ? "" : `; default ${JSON.stringify(attr.write(attr.fallback.value))}`;
      lines.push(`  ${key}: ${attr.doc} (${attr.allowed}${fallback})`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The same facts for machines. */
export function opsJson(): object[] {
  return Object.keys(ops).map((name) => {
    const op = opNamed(name)!;
    return {
      name,
      family: op.family,
      doc: op.doc,
      ...(op.family === "network" ? { example: op.example } : {}),
      inputs: op.inputs.map((i) => ({
        name: i.name,
        doc: i.doc,
        takes: i.takes,
        optional: i.optional ?? false,
        variadic: i.variadic ?? false,
      })),
      attributes: Object.entries(op.attrs).map(([key, a]) => ({
        name: key,
        doc: a.doc,
        allowed: a.allowed,
        ...(a.fallback === undefined ? {} : { default: a.write(a.fallback.value) }),
      })),
    };
  });
}

/** The passes in the order `sealwright compile` runs them. */
export function passesReference(pipeline: readonly Pass[]): string {
  return table(
    [
      { title: "", align: "right", cell: ({ number }) => `${number}` },
      { title: "pass", align: "left", cell: ({ pass }) => pass.name },
      { title: "what it does", align: "left", cell: ({ pass }) => firstSentence(pass.doc), maxWidth: 92 },
    ],
    pipeline.map((pass, i) => ({ pass, number: i + 1 })),
  );
}

export function passesJson(pipeline: readonly Pass[]): object[] {
  return pipeline.map(({ name, doc, defaults }) => ({ name, doc, defaults }));
}

const exitMeanings: { readonly [K in Code<object>["exit"]]: string } = {
  2: "wrong use of the command",
  3: "bad input",
  4: "unsupported",
  5: "limit exceeded",
  6: "refused for security",
  7: "failure while running",
  8: "accuracy contract not met",
};

/** One diagnostic by id (`SW201`) or name (`shape-mismatch`): what it says, what it means for scripts, what to do. */
export function codeReference(idOrName: string): string | undefined {
  const wanted = idOrName.trim();
  const entry = Object.entries(codes).find(
    ([name, { id }]) => id === wanted.toUpperCase() || name === wanted.toLowerCase(),
  );
  if (entry === undefined) return undefined;
  const { id, name, severity, exit, message, help } = codeFacts(entry[0] as CodeName);
  return `${id} ${name} (${severity}, exit code ${exit}: ${exitMeanings[exit]})\n\n  ${message}\n\nwhat to do: ${help}\n`;
}

/** A code with placeholders such as `<op>` where messages name things. */
export function codeFacts(name: CodeName) {
  const { id, severity, exit, message, help } = codes[name] as unknown as Code<object>;
  const blanks = new Proxy({}, { get: (_, key) => placeholder(String(key)) });
  const say = (text: string | ((params: object) => string)) => {
    try {
      return typeof text === "string" ? text : String(text(blanks)).replace(/\b(?:NaN|undefined)\b/g, "…");
    } catch {
      return "(depends on the case)";
    }
  };
  return { id, name, severity, exit, message: say(message), help: say(help) };
}

/** Stands for a parameter of any type: whatever a message does with it, `<key>` comes out. */
function placeholder(key: string): unknown {
  const text = `<${key}>`;
  const target = () => self;
  const self: unknown = new Proxy(target, {
    get(_, property) {
      if (property === Symbol.toPrimitive) return (hint: string) => (hint === "number" ? Number.NaN : text);
      if (property === Symbol.iterator) return () => [self][Symbol.iterator]();
      if (property === "toString" || property === "valueOf" || property === "toJSON") return () => text;
      return self;
    },
    apply: () => self,
  });
  return self;
}

function firstSentence(doc: string): string {
  return /^.*?[.:](?=\s|$)/s.exec(doc)?.[0].replace(/\s+/g, " ").replace(/:$/, ".") ?? doc;
}
