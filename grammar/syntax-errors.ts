import { type IParserErrorMessageProvider, type IToken, type TokenType, tokenLabel, tokenMatcher } from "chevrotain";
import { nearest } from "../src/base/nearest.ts";
import type { SourceFile } from "../src/base/span.ts";
import { keywords } from "../src/ir/print-value.ts";
import type { Broken } from "./ast.ts";
import { type Report, spanOf } from "./report.ts";
import type { Failure } from "./resilient-parser.ts";
import {
  AtName,
  Bad,
  CloseBody,
  CloseList,
  CloseParen,
  CloseRecord,
  Colon,
  Equals,
  endOf,
  Identifier,
  keywordTokens,
  Line,
  NumberToken,
  OpenBody,
  OpenEnded,
  OpenList,
  OpenParen,
  OpenRecord,
  Word,
} from "./tokens.ts";

/** Makes the parser's messages name what it wanted, and nothing else: the sentence around it is in the code table. */
export const expectedWords: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => tokenLabel(expected),
  buildNotAllInputParsedMessage: () => "the end of the file",
  buildNoViableAltMessage: ({ customUserDescription }) => customUserDescription ?? "something else",
  buildEarlyExitMessage: ({ customUserDescription }) => customUserDescription ?? "something else",
};

const openers = new Set<TokenType>([OpenParen, OpenList, OpenRecord, OpenBody]);
const closers = new Set<TokenType>([CloseParen, CloseList, CloseRecord, CloseBody]);
const statementWords = keywords.filter((word) => !["in", "true", "false"].includes(word));
const annotationAlone = "a statement (an annotation stands at the end of its layer's line)";

/** Reports a line the parser could not read, unless its tokens were reported already. Gives what the line leaves behind. */
export function reportFailure({ found, before, expected, line }: Failure, file: SourceFile, report: Report): Broken {
  const broken = brokenLine(line);
  if (line.some((t) => isReported(t))) return broken;
  const [first] = line;
  const meant = first === undefined ? undefined : misspeltKeyword(line);
  if (first !== undefined && meant !== undefined) {
    report.at("unknown-statement", extentOf(first, file), { found: first.image, meant });
    return broken;
  }
  const word = keywordAsName(found, before, expected);
  if (word !== undefined) {
    report.at("keyword-as-name", extentOf(word, file), { word: word.image });
    return broken;
  }
  const wanted = found.tokenType === AtName && before === undefined ? annotationAlone : expected;
  // A line's end is shown behind its last token, not where the next line begins.
  const ends = tokenMatcher(found, Line) || found.image === "";
  const behind = before ?? found;
  const span = ends ? spanOf(file, { start: endOf(behind), end: endOf(behind) }) : extentOf(found, file);
  report.at("unexpected-token", span, {
    found: ends ? "the end of the line" : `'${shortened(found.image)}'`,
    expected: wanted,
  });
  return broken;
}

function extentOf(token: IToken, file: SourceFile) {
  return spanOf(file, { start: token.startOffset, end: endOf(token) });
}

function isReported(token: IToken): boolean {
  const wrongNumber = token.tokenType === NumberToken && token.payload === undefined;
  return token.tokenType === Bad || token.tokenType === OpenEnded || wrongNumber;
}

function shortened(image: string): string {
  return image.length > 60 ? `${image.slice(0, 60)}…` : image;
}

/** `netwrk lenet {`: a word in front of a name or text, close to a keyword. */
function misspeltKeyword(line: readonly IToken[]): string | undefined {
  const [first, second] = line;
  if (first!.tokenType !== Identifier || second === undefined) return undefined;
  const isLead = tokenMatcher(second, Word) || second.image.startsWith('"') || tokenMatcher(second, OpenBody);
  return isLead ? nearest(first!.image, statementWords) : undefined;
}

/** The keyword that stands where a name should: either what was found, or what the rule took it for. */
function keywordAsName(found: IToken, before: IToken | undefined, expected: string): IToken | undefined {
  if (expected !== "a name" && expected !== "a statement") return undefined;
  if (keywordTokens.has(found.image)) return found;
  const taken = before !== undefined && keywordTokens.has(before.image) && !tokenMatcher(before, Identifier);
  return taken && tokenMatcher(found, Equals) ? before : undefined;
}

/** Everything a line could have defined: the names before its value or bracket, and those in front of `=` or `:`. */
function brokenLine(line: readonly IToken[]): Broken {
  const names = new Set<string>();
  let [depth, beforeValue] = [0, true];
  for (const [i, token] of line.entries()) {
    const next = line[i + 1];
    if (openers.has(token.tokenType)) depth++;
    else if (closers.has(token.tokenType)) depth--;
    if (tokenMatcher(token, Equals) || depth > 0) beforeValue = false;
    const defined = next !== undefined && (tokenMatcher(next, Equals) || tokenMatcher(next, Colon));
    if (depth <= 0 && tokenMatcher(token, Word) && (beforeValue || defined)) names.add(token.payload ?? token.image);
  }
  const [first] = line;
  const start = first?.startOffset ?? 0;
  const last = line.findLast((t) => !tokenMatcher(t, CloseBody)) ?? first;
  const keyword =
    first === undefined ? undefined : keywordTokens.has(first.image) ? first.image : misspeltKeyword(line);
  return { kind: "broken", names: [...names], keyword, start, end: last === undefined ? start : endOf(last) };
}
