/** The layer an HE node belongs to: what stands before the last dot of its name. A name without a dot is its own layer. */
export function layerOfNode(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? name : name.slice(0, dot);
}
