import type { CodeName } from "../base/codes.ts";
import { type Diagnostic, SealwrightError } from "../base/diagnostic.ts";
import type { Tensors } from "../plan/machine.ts";

/** How a gate came out. What is `measured` has no limit to meet. */
export type Verdict = "met" | "missed" | "measured" | "skipped";

/** A gate that was not passed through, and why. */
export interface Skipped {
  readonly verdict: "skipped";
  readonly reason: string;
}

export function skipped(reason: string): Skipped {
  return { verdict: "skipped", reason };
}

/** What a client refuses to encrypt. */
export const refusals: readonly CodeName[] = ["input-out-of-range", "input-not-finite"];

/** What `run` makes, or the expected error it ended with. Others are thrown on. */
export async function attempt(
  run: () => Tensors | Promise<Tensors>,
  expected: readonly CodeName[],
): Promise<Tensors | Diagnostic> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SealwrightError && expected.includes(error.first.code)) return error.first;
    throw error;
  }
}

export function isRefusal(found: Tensors | Diagnostic): found is Diagnostic {
  return "code" in found;
}
