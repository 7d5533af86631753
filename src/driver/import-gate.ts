import type { Tensors } from "../plan/machine.ts";
import { distanceOf } from "./differences.ts";
import { type Skipped, skipped } from "./gate.ts";

/** The network as it was read against the outputs that its maker's runtime gives. */
export interface ImportGate {
  readonly verdict: "met" | "missed";
  readonly samples: number;
  /** The largest absolute difference of any element. */
  readonly largest: number;
  /** The largest difference as a multiple of what is allowed for its element; at most 1 is met. */
  readonly share: number;
}

/** ONNX's own tests allow `absolute + relative * |wanted|` of each element. */
const [absolute, relative] = [1e-7, 1e-3];

/** Compares outputs, sample by sample. */
export function importGate() {
  let [samples, largest, share] = [0, 0, 0];
  return {
    add(network: Tensors, expected: Tensors | undefined): void {
      if (expected === undefined) return;
      samples++;
      for (const [name, { data }] of expected) {
        const found = network.get(name)!.data;
        for (const [i, wanted] of data.entries()) {
          const distance = distanceOf(found[i]!, wanted);
          largest = Math.max(largest, distance);
          share = Math.max(share, distance / (absolute + relative * Math.abs(wanted)));
        }
      }
    },
    result(): ImportGate | Skipped {
      if (samples === 0) return skipped("no expected outputs were given (--expected)");
      return { verdict: share <= 1 ? "met" : "missed", samples, largest, share };
    },
  };
}
