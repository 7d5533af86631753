import { type Blinding, blindings } from "../plan/blind.ts";
import type { RoundsPlan } from "../plan/rounds.ts";
import { counted } from "./quantities.ts";

/** How a plan blinds each value it reveals, in words that follow its description; empty where it was not asked to. */
export function blindWords(plan: RoundsPlan): (value: string) => string {
  if (plan.blindBits === undefined) return () => "";
  const known = blindings(plan);
  return (value) => `; ${wordsOf(known.get(value))}`;
}

function wordsOf(blinding: Blinding | undefined): string {
  const { elements = 0, multiplied = 0, factors = 0, blocks = 1 } = blinding ?? {};
  const whose = multiplied < elements ? `${multiplied} of them multiplied` : "multiplied";
  const ways = [
    ...(factors === 0 ? [] : [`${whose} by ${factors < multiplied ? counted(factors, "factor") : "a factor each"}`]),
    ...(blocks === 1 ? [] : [blocks === elements ? "shuffled" : `their ${blocks} channels shuffled`]),
  ];
  return ways.length === 0 ? "not blinded" : `blinded: ${ways.join(", ")}`;
}
