import { type Annotation, annotationOf, type Node } from "./graph.ts";

/** Says that an input is another sending of one: the same value, encrypted once more for a layer that reads it later. */
export function sendingAnnotation(of: string): Annotation {
  return { name: "again", positional: [of], named: {} };
}

/** The input that an input of a network or program is another sending of; undefined where it is none. */
export function sendingOf(node: Node): string | undefined {
  const of = annotationOf(node, "again")?.positional[0];
  return typeof of === "string" ? of : undefined;
}

/** What the sending of an input for a layer is called. */
export function sendingName(input: string, reader: string): string {
  return `${input}.for_${reader}`;
}
