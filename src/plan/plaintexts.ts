import type { NodeId } from "../ir/graph.ts";

/** Encoded plaintexts of one program that outlive a run. */
export interface PlaintextCache<P> {
  /** The plaintext of an encoding node, if kept. It still belongs to the cache. */
  get(node: NodeId): P | undefined;
  /** Offers a plaintext. True when the cache keeps it and will free it one day; else the runner frees it after its last use. */
  put(node: NodeId, plaintext: P): boolean;
}

/**
 * Keeps the first plaintexts that fit a byte budget. A program uses all of its plaintexts in each run, so dropping one for
 * another (least recently used first, say) would never hit.
 */
export class PlaintextStore<P> implements PlaintextCache<P> {
  readonly #kept = new Map<NodeId, P>();
  readonly #budgetBytes: number;
  readonly #bytesOf: (plaintext: P) => number;
  #bytes = 0;

  constructor(budgetBytes: number, bytesOf: (plaintext: P) => number) {
    this.#budgetBytes = budgetBytes;
    this.#bytesOf = bytesOf;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(node: NodeId): P | undefined {
    return this.#kept.get(node);
  }

  put(node: NodeId, plaintext: P): boolean {
    const bytes = this.#bytesOf(plaintext);
    if (this.#bytes + bytes > this.#budgetBytes) return false;
    this.#kept.set(node, plaintext);
    this.#bytes += bytes;
    return true;
  }

  /** Empties the store. */
  clear(free: (plaintext: P) => void): void {
    for (const plaintext of this.#kept.values()) free(plaintext);
    this.#kept.clear();
    this.#bytes = 0;
  }
}
