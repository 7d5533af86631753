import { createToken, type IToken, Lexer, type TokenType } from "chevrotain";
import { keywords } from "../src/ir/print-value.ts";

/** A name or keyword; parameters and keys may be either. */
export const Word = createToken({ name: "Word", label: "a name", pattern: Lexer.NA });
/** Plain or in backticks. Non-ASCII characters are checked after the lexer, which knows no letter classes. */
export const Identifier = createToken({
  name: "Identifier",
  label: "a name",
  pattern: /[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*(?:\.[\w\u0080-\uffff]+)*/,
  categories: [Word],
});
export const Quoted = createToken({
  name: "Quoted",
  label: "a name",
  pattern: /`(?:[^`\\\r\n]|\\[^\r\n])*`/,
  categories: [Word, Identifier],
  line_breaks: false,
});
export const Text = createToken({
  name: "Text",
  label: "a text in quotes",
  pattern: /"(?:[^"\\\r\n]|\\[^\r\n])*"/,
  line_breaks: false,
});
/** Whatever begins like a number, so that `0x10` and `1_000` are one wrong token instead of two right ones. */
export const NumberToken = createToken({
  name: "Number",
  label: "a number",
  pattern: /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[\w\u0080-\uffff]*/,
});
/** `@fc1.weight` or `@prune`; names of weights may begin with a digit. */
export const AtName = createToken({
  name: "AtName",
  label: "'@name'",
  pattern: /@[\w\u0080-\uffff]+(?:\.[\w\u0080-\uffff]+)*/,
});
export const At = createToken({ name: "At", label: "'@'", pattern: /@/ });

export const Range = createToken({ name: "Range", label: "'..'", pattern: /\.\./ });
export const Equals = createToken({ name: "Equals", label: "'='", pattern: /=/ });
export const Colon = createToken({ name: "Colon", label: "':'", pattern: /:/ });
export const Comma = createToken({ name: "Comma", label: "','", pattern: /,/ });
export const Plus = createToken({ name: "Plus", label: "'+'", pattern: /\+/ });
export const Minus = createToken({ name: "Minus", label: "'-'", pattern: /-/ });
export const Star = createToken({ name: "Star", label: "'*'", pattern: /\*/ });
export const OpenParen = createToken({ name: "OpenParen", label: "'('", pattern: /\(/ });
export const CloseParen = createToken({ name: "CloseParen", label: "')'", pattern: /\)/ });
export const OpenList = createToken({ name: "OpenList", label: "'['", pattern: /\[/ });
export const CloseList = createToken({ name: "CloseList", label: "']'", pattern: /\]/ });
/** Braces as the lexer sees them: those of records. `arrange` tells which ones hold statements. */
export const OpenRecord = createToken({ name: "OpenRecord", label: "'{'", pattern: /\{/ });
export const CloseRecord = createToken({ name: "CloseRecord", label: "'}'", pattern: /\}/ });
export const OpenBody = createToken({ name: "OpenBody", label: "'{'", pattern: Lexer.NA });
export const CloseBody = createToken({ name: "CloseBody", label: "'}'", pattern: Lexer.NA });
/** Stands before every statement; has no width. Made by `arrange` from line ends and semicolons. */
export const Line = createToken({ name: "Line", label: "the end of the line", pattern: Lexer.NA });

export const Newline = createToken({ name: "Newline", pattern: /\r\n?|\n/, line_breaks: true });
export const Semicolon = createToken({ name: "Semicolon", pattern: /;/ });
const Space = createToken({ name: "Space", pattern: /[ \t]+/, group: Lexer.SKIPPED });
const Comment = createToken({ name: "Comment", pattern: /#[^\r\n]*/, group: Lexer.SKIPPED, line_breaks: false });
export const OpenEnded = createToken({ name: "OpenEnded", pattern: /["`][^\r\n]*/, line_breaks: false });
/** What was reported already and fits no rule: the parser stops at it without a word. */
export const Bad = createToken({
  name: "Bad",
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters have no meaning in a model.
  pattern: /[\x00-\x08\x0b\x0c\x0e-\x1f!$%&'./<>?\\^|~\x7f]/,
});

export const keywordTokens: ReadonlyMap<string, TokenType> = new Map(
  keywords.map((word) => [
    word,
    createToken({ name: `Keyword_${word}`, label: `'${word}'`, pattern: Lexer.NA, categories: [Word] }),
  ]),
);

export function keyword(word: (typeof keywords)[number]): TokenType {
  return keywordTokens.get(word)!;
}

const lexed = [
  Space,
  Newline,
  Identifier,
  NumberToken,
  Comma,
  OpenParen,
  CloseParen,
  OpenList,
  CloseList,
  Equals,
  Colon,
  Text,
  AtName,
  At,
  Minus,
  Plus,
  Star,
  Range,
  OpenRecord,
  CloseRecord,
  Comment,
  Quoted,
  Semicolon,
  OpenEnded,
  Bad,
];

/** Every token the parser may meet. */
export const vocabulary: readonly TokenType[] = [...lexed, Word, OpenBody, CloseBody, Line, ...keywordTokens.values()];

const lexer = new Lexer(lexed, { positionTracking: "onlyOffset", ensureOptimizations: true });

/** Splits a text into tokens. Every character belongs to one, wrong ones to `Bad` or, beyond ASCII, to a name. */
export function tokenize(text: string): IToken[] {
  return lexer.tokenize(text).tokens;
}

/** The offset behind the last character of a token. */
export function endOf(token: IToken): number {
  return token.startOffset + token.image.length;
}
