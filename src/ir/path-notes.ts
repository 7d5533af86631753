import type { Note } from "../base/diagnostic.ts";
import type { Node } from "./graph.ts";

/** Layers of a path that are named one by one, at its beginning and at its end; the others share a note. */
const shown = { first: 3, last: 3 };

/** What is said of one layer of a path, and how many levels it takes. */
export interface PathStep {
  readonly node: Node;
  readonly levels: number;
  readonly text: string;
}

/** A path as notes, layer by layer; of a long one its beginning, its end, and what the rest of it adds up to. */
export function pathNotes(path: readonly PathStep[]): readonly Note[] {
  const noteOf = ({ node, text }: PathStep): Note => ({ message: text, span: node.span });
  if (path.length <= shown.first + shown.last + 1) return path.map(noteOf);
  const hidden = path.slice(shown.first, -shown.last);
  const levels = hidden.reduce((sum, s) => sum + s.levels, 0);
  const [from, to] = [hidden[0]!.node, hidden.at(-1)!.node];
  const rest = {
    message: `${hidden.length} more layers, from '${from.name}' to '${to.name}', take ${levels} levels`,
    span: from.span,
  };
  return [...path.slice(0, shown.first).map(noteOf), rest, ...path.slice(-shown.last).map(noteOf)];
}

/** The layers of a path with the levels that each uses. */
export function depthNotes(path: readonly { readonly node: Node; readonly levels: number }[]): readonly Note[] {
  return pathNotes(
    path.map(({ node, levels }) => ({ node, levels, text: `'${node.name}' (${node.op}) uses ${levels} level(s)` })),
  );
}
