import { code } from "./code.ts";

/** Codes of blinding, SW251 .. SW259. */
export const blindCodes = {
  "nothing-to-blind": code<{ network: string }>({
    id: "SW251",
    severity: "warning",
    exit: 4,
    message: (p) => `'${p.network}' leaves nothing to the client, so blind = true changes nothing`,
    help: "a client without steps sees the network's outputs alone; leave out blind, or leave layers to it ('activation relu = client')",
  }),
} as const;
