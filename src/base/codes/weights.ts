import { code } from "./code.ts";

export const weightCodes = {
} as const;
