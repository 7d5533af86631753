/** One entry of the code table. `P` is what the message needs to know. */
export interface Code<P extends object> {
  /** Stable number such as `SW201`; never reused. */
  readonly id: `SW${number}`;
  readonly severity: "error" | "warning";
  /** Exit code when this ends a command (design: 3 bad input, 4 unsupported, 5 limit, 6 refused, 7 runtime, 8 accuracy). */
  readonly exit: 2 | 3 | 4 | 5 | 6 | 7 | 8;
  /** One lower-case sentence without a full stop: what was found and what is allowed, with both numbers. */
  readonly message: (params: P) => string;
  /** What to do next. */
  readonly help: string | ((params: P) => string);
}

/** Gives an entry its type; `code<{ name: string }>({ ... })`. */
export function code<P extends object>(entry: Code<P>): Code<P> {
  return entry;
}
