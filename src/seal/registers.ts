/** A place in SEAL's heap that ciphertexts use one after another. */
export interface Register<T> {
  readonly object: T;
  /** Polynomials (one per prime and component) it has room for. */
  readonly capacity: number;
}

/**
 * Hands out registers. SEAL gives freed memory only to requests of exactly the same size, so ciphertexts of sinking levels
 * would each leave a hole; objects kept at their largest size and reused for smaller values do not.
 */
export class RegisterFile<T> {
  readonly #make: () => T;
  readonly #free: Register<T>[] = [];
  #capacity = 0;

  constructor(make: () => T) {
    this.#make = make;
  }

  /** The smallest free register with enough room, or a new one. */
  take(polynomials: number): Register<T> {
    let best = -1;
    for (const [i, { capacity }] of this.#free.entries()) {
      if (capacity >= polynomials && (best < 0 || capacity < this.#free[best]!.capacity)) best = i;
    }
    if (best >= 0) return this.#free.splice(best, 1)[0]!;
    this.#capacity += polynomials;
    return { object: this.#make(), capacity: polynomials };
  }

  give(register: Register<T>): void {
    this.#free.push(register);
  }

  /** Room of all registers ever made, in polynomials. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Empties the file of its free registers. */
  drain(): T[] {
    return this.#free.splice(0).map((register) => register.object);
  }
}
