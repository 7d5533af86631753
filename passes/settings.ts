import { type BlockSize, blockSizes, isBlockSize } from "../src/base/circulant.ts";
import { type Diagnostics, isProblem, type Place, type Problem, problem } from "../src/base/diagnostic.ts";
import { nearest } from "../src/base/nearest.ts";
import { type ActivationChoice, activationChoice, activationChoices } from "../src/ir/activation-choice.ts";
import type { Target } from "../src/ir/model.ts";
import type { RangeTable } from "../src/ir/ranges.ts";
import { type GroupKind, groupKinds } from "../src/ir/weight-groups.ts";
import type { AttrRecord, AttrValue } from "../src/ops/attributes.ts";
import { ops } from "../src/ops/index.ts";
import { type CostTable, defaultCostTable } from "../src/scheme/cost-table.ts";
import { defaultLink, type Link } from "../src/scheme/link.ts";
import { degrees } from "../src/scheme/parameters.ts";

/** What the user asked of a compilation: the entries of `target seal` and `target network`, and `--set` over them. */
export interface Settings extends Link {
  /** Security in bits. */
  readonly security: 128 | 192 | 256;
  /** Bits behind the binary point that outputs are to be right to. */
  readonly precision: number;
  /** Polynomial modulus degree; undefined lets the compiler choose. */
  readonly degree?: number;
  /** Most Galois keys a client may be asked for. */
  readonly maxKeys?: number;
  /** Most memory the evaluation may take, in bytes. */
  readonly maxMemory?: number;
  /** Set only by the command line flag: parameters may break the security tables. */
  readonly insecure: boolean;
  /** What operations cost on the machine that will run the plan. Not from `target seal`: it is about a machine, not a model. */
  readonly costTable: CostTable;
  /** Which values layers take, observed or stated. Not from `target seal`: found by running the model. */
  readonly ranges?: RangeTable;
  /** What becomes of skips around activations: they stay, or Dirac convolutions take their place, which changes the function. */
  readonly skips: "keep" | "dirac";
  /** Channels in a circulant block of every layer that can have such; layers that say `@circulant` have their own. */
  readonly circulantBlock: BlockSize;
  /** Whether the values a client sees in front of its steps are blinded. */
  readonly blind: boolean;
  /** Bits of room for values larger than calibration sees. Not from `target seal`: blinding multiplies values. */
  readonly roomBits?: number;
  /** Room is a multiple of so many bits. Not from `target seal`: rounds of equal chains share their keys. */
  readonly roomStep?: number;
  /** Which groups of weights become zero in layers that do not say `@prune`, and the share of their weights that stays. */
  readonly pruneKind: GroupKind;
  readonly pruneKeep: number;
  /** By the name of the op. */
  readonly activations: ReadonlyMap<string, ActivationChoice>;
  /** Of polynomials whose degree is not given: largest rms error of a fitted activation, as a share of the standard deviation of its values. */
  readonly fitTolerance: number;
}

export const defaultSettings: Settings = {
  security: 128,
  precision: 12,
  ...defaultLink,
  insecure: false,
  costTable: defaultCostTable,
  skips: "keep",
  circulantBlock: 1,
  blind: false,
  pruneKind: "aligned",
  pruneKeep: 1,
  activations: new Map(),
  fitTolerance: 0.15,
};

const securities = [128, 192, 256] as const;
const mebibyte = 2 ** 20;
const activationNames: readonly string[] = Object.entries(ops)
  .filter(([, op]) => op.family === "network" && op.notEncrypted !== undefined)
  .map(([name]) => name);

interface Setting {
  readonly allowed: string;
  /** The settings with this one taken over, or undefined when the value is not allowed. */
  read(settings: Settings, value: AttrValue): Settings | undefined;
}

const integer = (value: AttrValue, low: number, high: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= low && value <= high;

/** Every key but `activation.*`, with what it may be. A null prototype: users choose the names looked up here. */
const table: { readonly [key: string]: Setting } = Object.assign(Object.create(null), {
  security: {
    allowed: securities.join(", "),
    read: (settings, value) => {
      const security = securities.find((bits) => bits === value);
      return security === undefined ? undefined : { ...settings, security };
    },
  },
  precision: {
    allowed: "an integer from 1 to 40 bits",
    read: (settings, value) => (integer(value, 1, 40) ? { ...settings, precision: value } : undefined),
  },
  degree: {
    allowed: degrees.join(", "),
    read: (settings, value) => {
      const degree = degrees.find((n) => n === value);
      return degree === undefined ? undefined : { ...settings, degree };
    },
  },
  max_keys: {
    allowed: "an integer from 1 to 1000",
    read: (settings, value) => (integer(value, 1, 1000) ? { ...settings, maxKeys: value } : undefined),
  },
  max_memory: {
    allowed: "an integer from 1 to 1048576, in MB (2^20 bytes)",
    read: (settings, value) => (integer(value, 1, mebibyte) ? { ...settings, maxMemory: value * mebibyte } : undefined),
  },
  skips: {
    allowed: "keep, or dirac, which changes the function",
    read: (settings, value) => (value === "keep" || value === "dirac" ? { ...settings, skips: value } : undefined),
  },
  "circulant.block": {
    allowed: `${blockSizes.join(", ")}; blocks above 1 change the function`,
    read: (settings, value) => (isBlockSize(value) ? { ...settings, circulantBlock: value } : undefined),
  },
  "prune.kind": {
    allowed: groupKinds.join(", "),
    read: (settings, value) => {
      const pruneKind = groupKinds.find((kind) => kind === value);
      return pruneKind === undefined ? undefined : { ...settings, pruneKind };
    },
  },
  "prune.keep": {
    allowed: "a share of the weights, above 0 and at most 1; below 1 the function changes",
    read: (settings, value) =>
      typeof value === "number" && value > 0 && value <= 1 ? { ...settings, pruneKeep: value } : undefined,
  },
  blind: {
    allowed: "true or false",
    read: (settings, value) => {
      const blind =
        [true, "true"].includes(value as never) || ([false, "false"].includes(value as never) ? false : undefined);
      return blind === undefined ? undefined : { ...settings, blind };
    },
  },
  "activation.tolerance": {
    allowed: "a number from 1e-9 to 1",
    read: (settings, value) =>
      typeof value === "number" && value >= 1e-9 && value <= 1 ? { ...settings, fitTolerance: value } : undefined,
  },
  "network.mbps": {
    allowed: "an integer from 1 to 1000000, in megabits per second",
    read: (settings, value) => (integer(value, 1, 1_000_000) ? { ...settings, bandwidth: value } : undefined),
  },
  "network.ms": {
    allowed: "an integer from 0 to 60000, in milliseconds for a round trip",
    read: (settings, value) => (integer(value, 0, 60_000) ? { ...settings, latency: value } : undefined),
  },
} satisfies { [key: string]: Setting });

/** The targets of a model, and what their keys begin with in the table. */
const targetPrefixes: ReadonlyMap<string, string> = new Map([
  ["seal", ""],
  ["network", "network."],
]);

/**
 * Reads the entries of the model's targets and then `overrides` (from `--set`, as text or as values), which win.
 * Reports unknown targets and keys, keys given twice, and values that are not allowed; those keep their defaults.
 */
export function readSettings(
  targets: readonly Target[],
  overrides: ReadonlyMap<string, AttrValue>,
  diagnostics: Diagnostics,
): Settings {
  let settings = defaultSettings;
  const take = (key: string, value: AttrValue, place: Place) => {
    const next = withSetting(settings, key, value);
    if (isProblem(next)) diagnostics.reportProblem(next, place);
    else settings = next;
  };
  const seen = new Set<string>();
  for (const target of targets) {
    const prefix = targetPrefixes.get(target.name);
    if (prefix === undefined) {
      diagnostics.report("unknown-target", target.span, { name: target.name });
      continue;
    }
    for (const { key: ownKey, value, span } of target.entries) {
      const key = `${prefix}${ownKey}`;
      if (seen.has(key)) diagnostics.report("setting-given-twice", span, { key });
      else take(key, value, span);
      seen.add(key);
    }
  }
  for (const [key, value] of overrides) take(key, typeof value === "string" ? valueOfText(value) : value, "nowhere");
  return settings;
}

function withSetting(settings: Settings, key: string, value: AttrValue): Settings | Problem {
  const wrong = (allowed: string) => problem("bad-setting", { key, found: describe(value), allowed });
  if (key.startsWith("activation.") && table[key] === undefined) {
    const name = key.slice("activation.".length);
    if (!activationNames.includes(name)) {
      return problem("unknown-activation", { name, meant: nearest(name, activationNames), known: activationNames });
    }
    const choice = choiceOf(value);
    if (choice === undefined) return wrong(activationChoices);
    return { ...settings, activations: new Map([...settings.activations, [name, choice]]) };
  }
  const setting = table[key];
  const keys = [...Object.keys(table), "activation.<name>"];
  if (setting === undefined) return problem("unknown-setting", { key, meant: nearest(key, keys), known: keys });
  return setting.read(settings, value) ?? wrong(setting.allowed);
}

function choiceOf(value: AttrValue): ActivationChoice | undefined {
  const call = isRecord(value) ? value : { call: value };
  const { call: kind, degree, ...others } = call as { readonly [key: string]: AttrValue | undefined };
  if (Object.keys(others).length > 0) return undefined;
  return activationChoice(kind, degree);
}

function isRecord(value: AttrValue): value is AttrRecord {
  return typeof value === "object" && !Array.isArray(value) && !("data" in value && "shape" in value);
}

/** The value of `--set key=text`, as a model file would say it: `12`, `12 bits`, `client`, `polynomial(degree = 7)`. */
function valueOfText(text: string): AttrValue {
  const trimmed = text.trim();
  const call = /^(\w+)\s*\(\s*degree\s*=\s*(\d+)\s*\)$/.exec(trimmed);
  if (call !== null) return { call: call[1]!, degree: Number(call[2]) };
  const number = /^(-?\d+(?:\.\d+)?)(?:\s*(?:bits?|MB))?$/.exec(trimmed);
  return number === null ? trimmed : Number(number[1]);
}

function describe(value: AttrValue): string {
  if (isRecord(value)) {
    const { call, ...named } = value;
    const list = Object.entries(named).map(([key, v]) => `${key} = ${describe(v)}`);
    return typeof call === "string" ? `${call}(${list.join(", ")})` : `{ ${list.join(", ")} }`;
  }
  if (typeof value === "string") return `'${value}'`;
  return Array.isArray(value)
    ? `[${value.map(describe).join(", ")}]`
    : typeof value === "object"
      ? "a tensor"
      : `${value}`;
}
