import type { IToken } from "chevrotain";
import { isProblem } from "../src/base/diagnostic.ts";
import type { SourceFile } from "../src/base/span.ts";
import { hintFor, misleadingLetters, strangeCharacterAt } from "./characters.ts";
import { readNumber, readQuoted } from "./literals.ts";
import { type Report, spanOf } from "./report.ts";
import {
  AtName,
  Bad,
  endOf,
  Identifier,
  keywordTokens,
  NumberToken,
  OpenEnded,
  Quoted,
  Text,
  tokenize,
} from "./tokens.ts";

/** What a text token holds: characters, tokens of `{...}`, or undefined where that was reported. */
export type ScannedPiece = string | readonly IToken[] | undefined;

/**
 * The tokens of a text, each checked and with its value as `payload`: the name of names, the number (or bigint) of numbers,
 * the pieces of texts. What is wrong is reported, once; wrong names and characters become `Bad`, wrong numbers have no value.
 */
export function scan(file: SourceFile, report: Report, text = file.text, offset = 0): IToken[] {
  const tokens = tokenize(text);
  for (const token of tokens) {
    token.startOffset += offset;
    const type = token.tokenType;
    if (type === Identifier) scanName(token, token.image, file, report);
    else if (type === NumberToken) scanNumber(token, file, report);
    else if (type === Text) token.payload = scanText(token, file, report);
    else if (type === Quoted) scanQuotedName(token, file, report);
    else if (type === AtName) scanName(token, token.image.slice(1), file, report);
    else if (type === Bad) reportCharacter(token, 0, file, report);
    else if (type === OpenEnded) {
      report.at("unterminated-text", spanOf(file, { start: token.startOffset, end: token.startOffset + 1 }), {
        quote: token.image[0]!,
      });
    }
  }
  return tokens;
}

/** Makes a token one of another type. Tokens are fresh from the lexer, nobody else holds them. */
export function retype(token: IToken, type: IToken["tokenType"]): void {
  token.tokenType = type;
  token.tokenTypeIdx = type.tokenTypeIdx!;
}

function scanName(token: IToken, name: string, file: SourceFile, report: Report): void {
  token.payload = name;
  const word = token.tokenType === Identifier ? keywordTokens.get(name) : undefined;
  if (word !== undefined) retype(token, word);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is "anything but ASCII".
  if (!/[^\x00-\x7f]/.test(name)) return;
  const at = strangeCharacterAt(name);
  if (at >= 0) reportCharacter(token, at + token.image.length - name.length, file, report);
  else warnOfLetters(token, name, file, report);
}

function warnOfLetters(token: IToken, name: string, file: SourceFile, report: Report): void {
  const letters = misleadingLetters(name);
  if (letters === undefined) return;
  report.at("mixed-script", spanOf(file, { start: token.startOffset, end: endOf(token) }), { name, letters });
}

function reportCharacter(token: IToken, at: number, file: SourceFile, report: Report): void {
  const character = String.fromCodePoint(token.image.codePointAt(at)!);
  const start = token.startOffset + at;
  report.at("bad-character", spanOf(file, { start, end: start + character.length }), {
    character,
    hint: hintFor(character),
  });
  retype(token, Bad);
}

function scanNumber(token: IToken, file: SourceFile, report: Report): void {
  const value = readNumber(token.image);
  if (!isProblem(value)) token.payload = value;
  else report.problem(value, spanOf(file, { start: token.startOffset, end: endOf(token) }));
}

function scanQuotedName(token: IToken, file: SourceFile, report: Report): void {
  const pieces = readQuoted(token.image.slice(1, -1), false);
  const span = spanOf(file, { start: token.startOffset, end: endOf(token) });
  if ("found" in pieces) {
    report.problem(pieces.found, span);
    retype(token, Bad);
    return;
  }
  const name = pieces.join("");
  token.payload = name;
  if (name === "") {
    report.at("wrong-value", span, { what: "a name", found: "empty", allowed: "at least one character" });
    retype(token, Bad);
    return;
  }
  warnOfLetters(token, name, file, report);
}

function scanText(token: IToken, file: SourceFile, report: Report): readonly ScannedPiece[] {
  const start = token.startOffset + 1;
  const pieces = readQuoted(token.image.slice(1, -1), true);
  if ("found" in pieces) {
    report.problem(pieces.found, spanOf(file, { start: start + pieces.start, end: start + pieces.end }));
    return [undefined];
  }
  return pieces.map((piece) => {
    if (typeof piece === "string") return piece;
    const inside = scan(file, report, piece.inside, start + piece.start);
    const broken = inside.some((t) => t.tokenType === Bad || t.tokenType === OpenEnded);
    return broken ? undefined : inside;
  });
}
