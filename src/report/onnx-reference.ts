import { type Operator, operators, opsetRange, refusals } from "../onnx/index.ts";
import { table } from "./table.ts";

const encryptedWords: { readonly [how in Operator["encrypted"]]: string } = {
  yes: "yes",
  folds: "known values",
  client: "not yet",
};

/** Every operator of ONNX that is read, and the reasons why others are not, as `sealwright ops --onnx` lists them. */
export function onnxReference(): string {
  const list = table(
    [
      { title: "operator", align: "left", cell: (o) => o.name },
      { title: "encrypted", align: "left", cell: (o) => encryptedWords[o.encrypted] },
      { title: "what it does, and what is supported", align: "left", cell: (o) => o.doc, maxWidth: 200 },
    ],
    sortedOperators(),
    140,
  );
  const [first, last] = opsetRange;
  return `Operators of ONNX, opsets ${first} to ${last}:\n\n${list}\n${legend}\n`;
}

const legend =
  "'known values': all it works on must be known when compiling. 'not yet': computed on numbers ('run --machine float');\ncompiling says what to use instead.";

/** One operator: what is supported, how many operands it takes, its attributes. Undefined for an unknown name. */
export function onnxOperatorReference(name: string): string | undefined {
  const operator = operators.get(name);
  if (operator === undefined) return undefined;
  const [least, most] = operator.inputs;
  const attributes = Object.entries(operator.attributes).map(([key, kind]) => `${key} (${kind})`);
  return [
    `${name}: ${operator.doc}`,
    "",
    `encrypted: ${encryptedWords[operator.encrypted]}`,
    `operands: ${operandWords(least, most)}`,
    `attributes, of any version: ${attributes.join(", ") || "none"}`,
    "",
  ].join("\n");
}

/** The same facts for machines. */
export function onnxJson(): object[] {
  return sortedOperators().map(({ name, doc, encrypted, inputs, attributes }) => {
    const [least, most] = inputs;
    return { name, doc, encrypted, operands: [least, isBounded(most) ? most : null], attributes };
  });
}

/** The tables of the page on ONNX, in Markdown. */
export function onnxTables(): string {
  const supported = sortedOperators().map(({ name, encrypted, doc }) => [name, encryptedWords[encrypted], doc]);
  const refused = refusals.map(({ operators: names, reason, remedy }) => [names.join(", "), reason, remedy]);
  return [
    ...markdownTable(["operator", "encrypted", "what it does, and what is supported"], supported),
    "",
    "These are refused, and the message says why:",
    "",
    ...markdownTable(["operators", "reason", "what to do"], refused),
    "",
  ].join("\n");
}

function sortedOperators(): Operator[] {
  return [...operators.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function operandWords(least: number, most: number): string {
  if (least === most) return `${least}`;
  return isBounded(most) ? `${least} to ${most}` : `${least} or more`;
}

function isBounded(most: number): boolean {
  return most < Number.MAX_SAFE_INTEGER;
}

function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(titles), `|${titles.map(() => "---|").join("")}`, ...rows.map(line)];
}
