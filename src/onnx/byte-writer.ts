/** Enough for any length below 2^35. */
const lengthBytes = 5;

/** Collects bytes of the wire format of Protocol Buffers. */
export class ByteWriter {
  #bytes = new Uint8Array(2 ** 12);
  #size = 0;

  /** What was written. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  varint(value: number): void {
    this.#reserve(lengthBytes);
    for (let rest = value; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) {
        this.#bytes[this.#size++] = rest;
        return;
      }
      this.#bytes[this.#size++] = (rest % 128) + 128;
    }
  }

  uint32(value: number): void {
    this.#reserve(4);
    for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#size++] = (value >>> shift) & 255;
  }

  copy(content: Uint8Array): void {
    this.#reserve(content.length);
    this.#bytes.set(content, this.#size);
    this.#size += content.length;
  }

  /** Leaves room for the length of what is written next; the place to close it with. */
  openLength(): number {
    this.#reserve(lengthBytes);
    this.#size += lengthBytes;
    return this.#size;
  }

  /** Sets a length that was left open, in as many bytes as were left for it. */
  closeLength(opened: number): void {
    let rest = this.#size - opened;
    for (let at = opened - lengthBytes; at < opened; at++) {
      this.#bytes[at] = (rest % 128) + (at < opened - 1 ? 128 : 0);
      rest = Math.floor(rest / 128);
    }
  }

  /** Drops what was written after this place. */
  truncate(size: number): void {
    this.#size = size;
  }

  #reserve(more: number): void {
    if (this.#size + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#size + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}
