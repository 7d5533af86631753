/** A text the user wrote: a model file or a dump. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A half-open range of UTF-16 offsets in a source file. */
export interface Span {
  readonly file: SourceFile;
  readonly start: number;
  readonly end: number;
  /** What is meant in a file that is no text: `node 3 'conv1' (Conv)`. */
  readonly part?: string;
  /** Where the block that holds this text was called, when the node comes out of a block. */
  readonly caller?: Span;
}

/** A place in a source as people count it: lines and columns from 1, columns in code points. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The span of something no user wrote, for instance a graph built through the API. */
export const noSpan: Span = { file: { path: "<built>", text: "" }, start: 0, end: 0 };

export function positionAt(file: SourceFile, offset: number): Position {
  const before = file.text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  let line = 1;
  for (let at = before.indexOf("\n"); at >= 0; at = before.indexOf("\n", at + 1)) line++;
  return { line, column: [...before.slice(lineStart)].length + 1 };
}
