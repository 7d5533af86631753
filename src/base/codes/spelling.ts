/** `did you mean 'x'?`, or what else to do where nothing known is close. */
export function didYouMean(meant: string | undefined, otherwise: string): string {
  return meant === undefined ? otherwise : `did you mean '${meant}'?${lookalike(meant)}`;
}

/** Letters that look Latin but are not are spelled out: "did you mean 'a'" helps nobody when the user wrote just that. */
function lookalike(name: string): string {
  const foreign = [...name].filter((c) => c > "\u007f").map((c) => `U+${hex(c)}`);
  return foreign.length === 0 ? "" : ` (its letter ${foreign.slice(0, 3).join(", ")} is not ASCII)`;
}

/** A character's number as Unicode writes it behind `U+`. */
export function hex(character: string): string {
  return character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
}
