import { code } from "./code.ts";

const none = ({ network }: { readonly network: string }) =>
  `no skip of '${network}' can become Dirac convolutions: needed is one around one to three layers with weights and an activation, the last of them right in front of the sum`;

/** Codes of replacing skips, SW241 .. SW249. */
export const skipCodes = {
  "skips-replaced": code<{ network: string; count: number; percent: number }>({
    id: "SW241",
    severity: "warning",
    exit: 8,
    message: (p) =>
      `'${p.network}' no longer computes what it did: ${p.count === 1 ? "a skip became a Dirac convolution" : `${p.count} skips became Dirac convolutions`}, which changes its outputs by ${Number.isFinite(p.percent) ? `${p.percent} %` : "any number"} on random inputs`,
    help: "tune the network that 'sealwright rewrite' writes, whose weights begin closer to the original, or leave out skips = dirac",
  }),
  "no-skips-replaced": code<{ network: string }>({
    id: "SW242",
    severity: "warning",
    exit: 4,
    message: none,
    help: "leave out skips = dirac; skips around linear layers alone are folded into weights without it",
  }),
  "nothing-to-rewrite": code<{ network: string }>({
    id: "SW243",
    severity: "error",
    exit: 4,
    message: none,
    help: "compile the network as it is; skips around linear layers alone are folded into weights without any loss",
  }),
} as const;
