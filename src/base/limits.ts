/** What sealwright accepts at most. Beyond them it stops with exit code 5 instead of running out of stack or memory. */
export const limits = {
  /** Length of one model text, in UTF-16 units. */
  sourceLength: 2 ** 25,
  /** Brackets of any kind inside one another in a text. */
  nesting: 100,
  /** Expressions inside one another once blocks are opened: each costs stack while a model is read. */
  expressionDepth: 400,
  /** Nodes of one graph. */
  nodes: 2 ** 20,
  /** Statements and calls carried out while blocks and repeats are opened. Empty rounds count too. */
  expansionSteps: 9 * 2 ** 18,
  /** Files one model may import, directly or not. */
  imports: 256,
} as const;
