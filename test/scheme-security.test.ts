import { expect, it } from "vitest";
import { modulusLimit, securityClaim, securityOffered } from "../src/scheme/security.ts";
import { chain } from "./sim-programs.ts";

it("the stricter table decides for every degree and security level", () => {
  const limits = [1024, 2048, 4096, 8192, 16384, 32768].map((n) =>
    [128, 192, 256].map((s) => modulusLimit(n, s)?.bits),
  );
  expect(limits).toEqual([
    [26, undefined, undefined],
    [53, 36, 27],
    [106, 73, 56],
    [214, 147, 114],
    [430, 297, 230],
    [868, 597, 462],
  ]);
  expect(modulusLimit(8192, 128)?.table).toBe("2024 guidelines");
});

it("unlisted degrees and security levels have no limit to obey", () => {
  expect(modulusLimit(65536, 128)).toBeUndefined();
  expect(modulusLimit(8192, 100)).toBeUndefined();
  expect(modulusLimit(8192, 0)).toBeUndefined();
});

it("security offered is the highest level whose limit holds", () => {
  expect([114, 115, 147, 148, 214, 215].map((bits) => securityOffered(8192, bits))).toEqual([
    256, 192, 192, 128, 128, 0,
  ]);
});

it("a claim counts all bits, the special prime's included", () => {
  const scheme = chain({ levels: 5 });
  const bits = [...scheme.primes, scheme.specialPrime].reduce((sum, q) => sum + Math.log2(Number(q)), 0);
  const claim = securityClaim(scheme);
  expect(claim).toMatchObject({ bits: 128, limitBits: 214, table: "2024 guidelines" });
  expect(claim.modulusBits).toBe(Math.ceil(bits));
});

it("a scheme that says more than its primes hold is not believed", () => {
  const insecure = chain({ levels: 12, security: 0 });
  expect(securityClaim({ ...insecure, security: 128 })).toMatchObject({ bits: 0, limitBits: 214 });
  expect(securityClaim({ ...chain({ levels: 3 }), security: 256 }).bits).toBe(128);
  expect(securityClaim(insecure).bits).toBe(0);
});
