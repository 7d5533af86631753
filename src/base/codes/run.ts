import { code } from "./code.ts";

export const runCodes = {
} as const;
