import { instantiate } from "../scheme/wasm-code.ts";
import { Products } from "./products.ts";
import { productFunctions, word } from "./products-code.ts";

/** Numbers of single precision in the memory that matrix products work on. */
export interface Block {
  readonly count: number;
  /** In bytes. */
  readonly address: number;
  /** The numbers; empty until the arena is open. */
  readonly data: Float32Array;
}

/** Vectors begin at multiples of this many bytes, where they are read fastest. */
const alignment = 16;

/** One memory for all numbers of a training: blocks are reserved first, then it is opened once, so large as they need. */
export class Arena {
  #bytes = 0;
  #products: Products | undefined;
  readonly #blocks: { count: number; address: number; data: Float32Array }[] = [];

  /** A block of zeros. */
  reserve(count: number): Block {
    const block = { count, address: this.#bytes, data: new Float32Array(0) };
    this.#bytes += Math.ceil((count * word) / alignment) * alignment;
    this.#blocks.push(block);
    return block;
  }

  /** How much memory all blocks take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gives every block its numbers. Nothing can be reserved afterwards. */
  open(): void {
    const { memory, ...functions } = instantiate(productFunctions(), this.#bytes);
    for (const block of this.#blocks) block.data = new Float32Array(memory.buffer, block.address, block.count);
    this.#products = new Products(functions as ConstructorParameters<typeof Products>[0]);
  }

  /** Matrix products on the blocks of an open arena. */
  get products(): Products {
    return this.#products!;
  }
}
