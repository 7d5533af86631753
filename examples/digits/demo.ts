/**
 * A handwritten digit is classified by a server that never sees it: `npm run demo`, or `npm run demo -- 17` for another of the
 * 360 held-out images. Client and server share this process here; between them go only the bytes that would cross a network.
 */
import {
  compileModel,
  decryptOutputs,
  encryptInputs,
  evaluateCiphertexts,
  generateKeys,
  openSession,
  type Plan,
  runPlan,
  type Tensor,
} from "../../src/index.ts";
import { readExample } from "../models.ts";
import { argmax, type Digit, readDigits } from "./data.ts";

const { heldOut } = readDigits();
const wanted = Number(process.argv[2] ?? 0);
const digit = heldOut[wanted];
if (digit === undefined) {
  console.error(`there is no image ${process.argv[2]}; choose one from 0 to ${heldOut.length - 1}`);
  process.exitCode = 2;
} else await demonstrate(digit);

async function demonstrate(digit: Digit): Promise<void> {
  const { file, host } = readExample("digits");
  const inputs = new Map([["image", digit.image]]);
  const steps: Step[] = [];
  const step = stepRecorder(steps);

  const { plan, bytes } = await step("both", "compile the network to a plan", () => compileModel(file, host));
  const keys = await step(
    "client",
    "make keys; the secret key stays here",
    () => generateKeys(plan),
    (k) => k.evaluationKeys.length,
  );
  const question = await step("client", "encrypt the image", () => encryptInputs(plan, keys.secretKey, inputs), size);
  const answer = await step(
    "server",
    "evaluate the network",
    () => evaluateCiphertexts(plan, keys.evaluationKeys, question),
    size,
  );
  const outputs = await step("client", "decrypt the logits", () => decryptOutputs(plan, keys.secretKey, answer));

  // Each step above starts SEAL anew. A session keeps it, with the keys and the encoded weights.
  const session = await step("both", "open a session, with keys of its own", () => openSession(plan));
  await step("both", "encrypt, evaluate, decrypt in it", () => session.run(inputs));
  await step("both", "the same once more", () => session.run(inputs));
  await session.close();

  const clear = (await runPlan(plan, inputs, "float")).get("logits")!;
  const parts = [
    `Held-out image ${wanted}, which only the client sees:`,
    picture(digit.image),
    stepTable(steps),
    `What the server did, layer by layer (${describe(plan, bytes.length)}):`,
    layerTable(plan),
    "The logits, decrypted, beside those of the same network on clear numbers:",
    logitTable(outputs.get("logits")!, clear),
    verdict(outputs.get("logits")!, clear, digit.label),
  ];
  console.log(parts.join("\n\n"));
}

function size(bytes: Uint8Array): number {
  return bytes.length;
}

interface Step {
  readonly side: string;
  readonly does: string;
  readonly milliseconds: number;
  /** What goes to the other side, when anything does. */
  readonly bytes?: number;
}

/** Runs a step and notes how long it took; says on stderr what is going on. */
function stepRecorder(steps: Step[]) {
  return async <T>(
    side: string,
    does: string,
    action: () => T | Promise<T>,
    sent?: (result: T) => number,
  ): Promise<T> => {
    process.stderr.write(`${side}: ${does} ... `);
    const began = performance.now();
    const result = await action();
    const milliseconds = performance.now() - began;
    process.stderr.write(`${time(milliseconds)}\n`);
    steps.push({ side, does, milliseconds, ...(sent === undefined ? {} : { bytes: sent(result) }) });
    return result;
  };
}

/** Two characters for each pixel, since characters are twice as high as wide. */
function picture({ data }: Tensor): string {
  const shades = [" ", "░", "▒", "▓", "█"];
  const rows = Array.from({ length: 8 }, (_, y) => {
    const row = data.subarray(8 * y, 8 * y + 8);
    return `  │${Array.from(row, (v) => shades[Math.round(v / 4)]!.repeat(2)).join("")}│`;
  });
  return [`  ┌${"─".repeat(16)}┐`, ...rows, `  └${"─".repeat(16)}┘`].join("\n");
}

function stepTable(steps: readonly Step[]): string {
  const rows = steps.map(({ side, does, milliseconds, bytes }) => [
    side,
    does,
    time(milliseconds),
    bytes === undefined ? "" : `${kilobytes(bytes)} to send`,
  ]);
  return table(rows, "llrr");
}

function describe({ scheme, security, precision }: Plan, bytes: number): string {
  const bits = Math.floor(precision.boundBits);
  return `CKKS with N = ${scheme.degree}, ${security.bits} bits of security, a plan of ${kilobytes(bytes)}, at least ${bits} bits of precision`;
}

function layerTable({ cost }: Plan): string {
  const rows = cost.layers.map((l) =>
    [
      l.name,
      l.op,
      l.rotations,
      l.plainMultiplications,
      l.cipherMultiplications,
      `${l.levelIn} > ${l.levelOut}`,
      time(l.milliseconds),
    ].map(String),
  );
  const { totals, estimate } = cost;
  const { rotations, plainMultiplications, cipherMultiplications } = totals;
  const sums = [
    "total",
    "",
    rotations,
    plainMultiplications,
    cipherMultiplications,
    "",
    time(estimate.milliseconds),
  ].map(String);
  return table([["layer", "op", "rotations", "by weights", "squares", "level", "predicted"], ...rows, sums], "llrrrrr");
}

function logitTable(logits: Tensor, clear: Tensor): string {
  const best = argmax(logits.data);
  const longest = Math.max(...logits.data.map(Math.abs));
  const rows = Array.from(logits.data, (value, k) => [
    `${k}`,
    value.toFixed(5),
    clear.data[k]!.toFixed(5),
    `${"▇".repeat(Math.max(0, Math.round((16 * value) / longest)))}${k === best ? "  <" : ""}`,
  ]);
  return table([["digit", "encrypted", "clear", ""], ...rows], "rrrl");
}

function verdict(logits: Tensor, clear: Tensor, label: number): string {
  const found = argmax(logits.data);
  const error = logits.data.reduce((most, v, k) => Math.max(most, Math.abs(v - clear.data[k]!)), 0);
  const answer =
    found === label ? `The answer is ${found}, which is right.` : `The answer is ${found}; the digit is a ${label}.`;
  return `${answer} Encrypted and clear logits agree to ${(-Math.log2(error)).toFixed(1)} bits (largest difference ${error.toExponential(1)}).`;
}

/** Aligned columns, `l` for left and `r` for right. */
function table(rows: readonly (readonly string[])[], align: string): string {
  const widths = [...align].map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number) =>
    align[column] === "l" ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map((row) => `  ${row.map(pad).join("   ")}`.trimEnd()).join("\n");
}

function time(milliseconds: number): string {
  return milliseconds < 1000
    ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}

function kilobytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(0)} KB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
