/** Members 0, 1, .. in sets that grow together. The first member of a set, its smallest, stands for it. */
export class DisjointSets {
  #parents = new Int32Array(64);
  #count = 0;

  /** Adds so many members, each in a set of its own, and returns the first. */
  add(count: number): number {
    const first = this.#count;
    this.#count += count;
    if (this.#count > this.#parents.length) {
      const larger = new Int32Array(Math.max(this.#count, 2 * this.#parents.length));
      larger.set(this.#parents);
      this.#parents = larger;
    }
    for (let member = first; member < this.#count; member++) this.#parents[member] = member;
    return first;
  }

  /** The first member of a member's set. */
  find(member: number): number {
    const parents = this.#parents;
    let root = member;
    while (parents[root] !== root) root = parents[root]!;
    for (let at = member; at !== root; ) {
      const next = parents[at]!;
      parents[at] = root;
      at = next;
    }
    return root;
  }

  join(a: number, b: number): void {
    const [x, y] = [this.find(a), this.find(b)];
    if (x < y) this.#parents[y] = x;
    else this.#parents[x] = y;
  }
}
