import { invariant } from "../base/diagnostic.ts";
import {
  constantVariance,
  encodeVariance,
  keySwitchSpikeVariance,
  keySwitchVariance,
  rescaleVariance,
  spikes,
  symmetricVariance,
} from "../scheme/error-model.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import { type PlainStanding, Rules, type Standing } from "../scheme/rules.ts";
import type { HeClient, HeMachine } from "./machine.ts";
import { Random } from "./random.ts";

/** A ciphertext on numbers: its slots in the clear, and where it stands. */
export interface SimCipher extends Standing {
  readonly slots: Float64Array;
}

export interface SimPlain extends PlainStanding {
  readonly slots: Float64Array;
}

export interface SimOptions {
  /** Rotation steps there are keys for; any when not given. */
  readonly galoisSteps?: readonly number[];
  /** Adds errors of the size SEAL makes, drawn from this seed. Exact when not given. */
  readonly noiseSeed?: number;
}

export interface SimEvaluator extends HeMachine<SimCipher, SimPlain>, HeClient<SimCipher> {
  readonly rules: Rules;
  /** Handles made and not freed. */
  live(): number;
}

/**
 * Evaluates HE ops on float64 numbers and checks every rule that SEAL would: levels, scales, sizes, keys;
 * and what SEAL would not notice: handles used after they were freed.
 */
export function simEvaluator(scheme: Scheme, options: SimOptions = {}): SimEvaluator {
  const { degree } = scheme;
  const slotCount = degree / 2;
  const rules = new Rules(scheme, options.galoisSteps);
  const scales = canonicalScales(scheme);
  const handles = new Set<object>();
  const { noiseSeed } = options;
  const random = noiseSeed === undefined ? undefined : new Random(noiseSeed);
  const peaks = random && spikes(degree);

  const made = <T extends object>(handle: T): T => {
    handles.add(handle);
    return handle;
  };
  const alive = (...used: object[]): void => {
    for (const handle of used) invariant(handles.has(handle), "uses a value after it was freed");
  };
  const release = (handle: object): void => invariant(handles.delete(handle), "frees a value twice");

  const noisy = (slots: Float64Array, variance: number, spike = 0): Float64Array => {
    if (random === undefined) return slots;
    return slots.map((v, s) => v + random.normal() * Math.sqrt(variance + (spike === 0 ? 0 : spike * peaks![s]!)));
  };
  const keySwitched = (slots: Float64Array, { level, scale }: Standing): Float64Array =>
    noisy(slots, keySwitchVariance(scheme, level + 1, scale), keySwitchSpikeVariance(scheme, level + 1, scale));
  const plain = (standing: PlainStanding, slots: Float64Array, variance: number): SimPlain => {
    const largest = slots.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    invariant(largest < rules.largestValue(standing), `encodes ${largest}, too large for level ${standing.level}`);
    return made({ ...standing, slots: noisy(slots, variance) });
  };

  return {
    rules,
    live: () => handles.size,
    encode(values, level, scale) {
      invariant(!values.some((v) => !Number.isFinite(v)), "encodes a value that is not finite");
      return plain(rules.encode(values, level, scale), values, encodeVariance(degree, scale));
    },
    encodeConstant: (value, level, scale) =>
      plain(
        rules.encodeConstant(value, level, scale),
        new Float64Array(slotCount).fill(value),
        constantVariance(scale),
      ),
    rotate(x, steps) {
      alive(x);
      const standing = rules.rotate(x, steps);
      const by = ((steps % slotCount) + slotCount) % slotCount;
      const slots = new Float64Array(slotCount);
      slots.set(x.slots.subarray(by));
      slots.set(x.slots.subarray(0, by), slotCount - by);
      return made({ ...standing, slots: keySwitched(slots, standing) });
    },
    add(x, y) {
      alive(x, y);
      return made({ ...rules.add(x, y), slots: x.slots.map((v, s) => v + y.slots[s]!) });
    },
    subtract(x, y) {
      alive(x, y);
      return made({ ...rules.add(x, y), slots: x.slots.map((v, s) => v - y.slots[s]!) });
    },
    negate(x) {
      alive(x);
      return made({ ...x, slots: x.slots.map((v) => -v) });
    },
    addPlain(x, p) {
      alive(x, p);
      return made({ ...rules.addPlain(x, p), slots: x.slots.map((v, s) => v + p.slots[s]!) });
    },
    multiplyPlain(x, p) {
      alive(x, p);
      return made({ ...rules.multiplyPlain(x, p), slots: x.slots.map((v, s) => v * p.slots[s]!) });
    },
    multiply(x, y) {
      alive(x, y);
      return made({ ...rules.multiply(x, y), slots: x.slots.map((v, s) => v * y.slots[s]!) });
    },
    square(x) {
      alive(x);
      return made({ ...rules.multiply(x, x), slots: x.slots.map((v) => v * v) });
    },
    relinearize(x) {
      alive(x);
      const standing = rules.relinearize(x);
      return made({ ...standing, slots: x.size === 2 ? x.slots : keySwitched(x.slots, standing) });
    },
    rescale(x) {
      alive(x);
      const standing = rules.rescale(x);
      return made({ ...standing, slots: noisy(x.slots, rescaleVariance(degree, standing.scale)) });
    },
    modSwitch(x) {
      alive(x);
      return made({ ...rules.modSwitch(x), slots: x.slots });
    },
    free: release,
    freePlain: release,
    encrypt(slots, level) {
      const scale = scales[level];
      invariant(scale !== undefined, `level ${level} is not in the chain`);
      const standing = rules.encode(slots, level, scale);
      const variance = encodeVariance(degree, scale) + symmetricVariance(degree, scale);
      return made({ ...standing, size: 2, slots: noisy(slots, variance) });
    },
    decrypt(x) {
      alive(x);
      return x.slots.slice();
    },
  };
}
