import { code } from "./code.ts";

export const planCodes = {
} as const;
