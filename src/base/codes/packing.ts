import { code } from "./code.ts";

/** SW4xx: packing and keys. */
export const packingCodes = {
  "degree-needed": code<Record<string, never>>({
    id: "SW401",
    severity: "error",
    exit: 2,
    message: () => "this pass needs to know the ring degree",
    help: "give it with --set degree=8192, or run the whole compiler, which chooses it",
  }),
  "layer-plan-invalid": code<{ layer: string; reason: string }>({
    id: "SW402",
    severity: "error",
    exit: 3,
    message: (p) => `the plan of layer '${p.layer}' cannot compute it: ${p.reason}`,
    help: "compile the network again; a plan edited by hand must cover every weight exactly once",
  }),
  "too-many-keys": code<{ needed: number; allowed: number }>({
    id: "SW403",
    severity: "error",
    exit: 5,
    message: (p) => `the program needs at least ${p.needed} Galois keys, max_keys allows ${p.allowed}`,
    help: (p) => `set max_keys to ${p.needed} or more`,
  }),
  "too-much-memory": code<{ neededBytes: number; allowedBytes: number }>({
    id: "SW405",
    severity: "error",
    exit: 5,
    message: (p) =>
      `evaluating the network takes about ${Math.ceil(p.neededBytes / 2 ** 20)} MB, max_memory allows ${p.allowedBytes / 2 ** 20} MB`,
    help: (p) =>
      `set max_memory to ${Math.ceil(p.neededBytes / 2 ** 20)} MB or more, or ask for fewer keys with max_keys or for less precision`,
  }),
  "constant-output": code<{ layer: string }>({
    id: "SW404",
    severity: "warning",
    exit: 4,
    message: (p) => `all weights of '${p.layer}' are zero, so its result does not depend on the input`,
    help: "check the weights file",
  }),
} as const;
