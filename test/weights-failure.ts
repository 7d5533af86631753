import { expect } from "vitest";
import type { CodeName } from "../src/base/codes.ts";
import { type Diagnostic, SealwrightError } from "../src/base/diagnostic.ts";

/** The diagnostic that a call fails with. Anything thrown that is no SealwrightError fails the test. */
export function failureOf(call: () => unknown): Diagnostic {
  try {
    call();
  } catch (error) {
    if (error instanceof SealwrightError) return error.first;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Expects a call to fail with this diagnostic and returns its message. */
export function expectFailure(code: CodeName, call: () => unknown): string {
  const failure = failureOf(call);
  expect(failure.code, failure.message).toBe(code);
  return failure.message;
}

/** Runs a call that may fail, but only with a SealwrightError. */
export function mayFail(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
  }
}
