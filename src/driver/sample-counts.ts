import type { CodeName } from "../base/codes.ts";
import { type Diagnostic, fail, type Place } from "../base/diagnostic.ts";
import type { LayerFit } from "../ir/fits.ts";
import type { OutsideFit } from "./outside-fits.ts";

/** What became of the samples of a data set. */
export interface SampleCounts {
  readonly read: number;
  /** Those the client could send and the plan could answer. */
  readonly answered: number;
  readonly refused: readonly RefusedSamples[];
  readonly outside: readonly OutsideSamples[];
}

/** Samples that a client would refuse to send, for one reason. */
export interface RefusedSamples {
  readonly samples: number;
  /** Of the first. */
  readonly first: Diagnostic;
}

/** Samples that take a fitted activation outside the range it was fitted for (SW234). */
export interface OutsideSamples {
  readonly fit: LayerFit;
  /** Indices from 0, in the order of the data. */
  readonly samples: readonly number[];
  /** The value farthest out. */
  readonly farthest: number;
}

/** Counts samples as they come. */
export function sampleCounts() {
  const refused = new Map<CodeName, RefusedSamples>();
  const outside = new Map<string, { fit: LayerFit; samples: number[]; farthest: number }>();
  let [read, answered] = [0, 0];
  return {
    read: () => void read++,
    answered: () => void answered++,
    refused(found: Diagnostic, place: Place = "nowhere"): void {
      const { samples, first } = refused.get(found.code) ?? { samples: 0, first: { ...found, place } };
      refused.set(found.code, { samples: samples + 1, first });
    },
    /** Of the sample read last. */
    outside(found: readonly OutsideFit[]): void {
      for (const { fit, value } of found) {
        const known = outside.get(fit.layer) ?? { fit, samples: [], farthest: value };
        outside.set(fit.layer, known);
        known.samples.push(read - 1);
        if (beyond(fit, value) > beyond(fit, known.farthest)) known.farthest = value;
      }
    },
    /** Throws a SealwrightError where no sample was answered. */
    result(): SampleCounts {
      if (read === 0) fail("no-samples", "nowhere", { path: "the data" });
      const [worst] = refused.values();
      if (answered === 0 && worst !== undefined) {
        const { message, place } = worst.first;
        fail("no-sample-answered", place, { samples: read, first: message });
      }
      return { read, answered, refused: [...refused.values()], outside: [...outside.values()] };
    },
  };
}

function beyond({ range: [low, high] }: LayerFit, value: number): number {
  return Math.max(low - value, value - high);
}
