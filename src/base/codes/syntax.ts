import { code } from "./code.ts";

export const syntaxCodes = {
} as const;
