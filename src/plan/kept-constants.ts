import type { Graph, NodeOf } from "../ir/graph.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import { type LayerConstants, layerConstants } from "./layer.ts";

/** Bytes of slot vectors that are kept for one network. */
const budgetBytes = 2 ** 28;

/**
 * Plaintext vectors of layers that are computed once for several programs of one network: those for one ring differ in
 * their primes and in when they rescale, not in their weights.
 */
export class KeptConstants {
  readonly #layers = new Map<string, LayerConstants>();
  #bytes = 0;

  of(program: Graph, node: NodeOf<"he_layer">): LayerConstants {
    const key = JSON.stringify(node.attrs);
    const known = this.#layers.get(key);
    if (known !== undefined) return known;
    const made = this.#keeping(layerConstants(program, node));
    this.#layers.set(key, made);
    return made;
  }

  #keeping(constants: LayerConstants): LayerConstants {
    const vectors = new Map<string, SlotVector>();
    return {
      weights: (to, giant, from, baby) => {
        const key = `${to} ${giant} ${from} ${baby}`;
        const known = vectors.get(key);
        if (known !== undefined) return known;
        const made = constants.weights(to, giant, from, baby);
        const bytes = made.re.byteLength + (made.im?.byteLength ?? 0);
        if (this.#bytes + bytes <= budgetBytes) {
          this.#bytes += bytes;
          vectors.set(key, made);
        }
        return made;
      },
      bias: (to) => constants.bias(to),
    };
  }
}
