import type { Rounds } from "../ir/cut-rounds.ts";
import type { Graph } from "../ir/graph.ts";
import { type EndToEnd, totalTime } from "../plan/end-to-end.ts";
import { partKey } from "./compiled-parts.ts";

/** Layers that polynomials compute; all others that may be chosen for are the client's. */
export type Mix = ReadonlySet<string>;

/** One way to compute the network: what the server computes in each round. */
export interface Cut {
  /** Undefined where one plan does, because nothing is left to the client. */
  readonly rounds: Rounds | undefined;
  readonly parts: readonly Graph[];
}

export interface ChoiceRequest {
  /** Layers to choose for, in order. */
  readonly candidates: readonly string[];
  cut(mix: Mix): Cut;
  /** What a part may take by a rough estimate; undefined where no ring holds it. */
  rough(part: Graph, cut: Cut): EndToEnd | undefined;
  /** What a part takes as compiled; undefined where it cannot be. */
  compiled(part: Graph, cut: Cut): EndToEnd | undefined;
  /** Told how many ways are being compared. */
  readonly progress?: ((text: string) => void) | undefined;
}

/** End-to-end times of mixes: exact for parts that were compiled, rough for others. */
export class MixTimes {
  readonly #request: ChoiceRequest;
  readonly #cuts = new Map<string, Cut>();
  readonly #keys = new Map<Graph, string>();
  readonly #rough = new Map<string, EndToEnd | undefined>();
  readonly #exact = new Map<string, EndToEnd | undefined>();
  /** By how much rough estimates of the server's time were off. */
  #scale = 1;

  constructor(request: ChoiceRequest) {
    this.#request = request;
  }

  cutOf(mix: Mix): Cut {
    const key = JSON.stringify(this.#request.candidates.filter((name) => mix.has(name)));
    const cut = this.#cuts.get(key) ?? this.#request.cut(mix);
    this.#cuts.set(key, cut);
    return cut;
  }

  /** Milliseconds; infinite where a part cannot be compiled. */
  of(mix: Mix): number {
    const cut = this.cutOf(mix);
    const parts = cut.parts.map((part) => this.#timeOf(part, cut));
    return parts.every((part) => part !== undefined) ? totalTime(parts).total : Number.POSITIVE_INFINITY;
  }

  isExact(mix: Mix): boolean {
    return this.cutOf(mix).parts.every((part) => this.#exact.has(this.#keyOf(part)));
  }

  compile(mix: Mix): void {
    const cut = this.cutOf(mix);
    for (const part of cut.parts) {
      const key = this.#keyOf(part);
      if (!this.#exact.has(key)) this.#exact.set(key, this.#request.compiled(part, cut));
      this.#roughOf(part, cut);
    }
    const known = [...this.#exact].flatMap(([key, exact]) => {
      const rough = this.#rough.get(key);
      return exact === undefined || rough === undefined ? [] : [{ exact, rough }];
    });
    const sum = (of: (pair: (typeof known)[number]) => number) => known.reduce((total, pair) => total + of(pair), 0);
    const rough = sum((pair) => pair.rough.server);
    this.#scale = rough === 0 ? 1 : sum((pair) => pair.exact.server) / rough;
  }

  #timeOf(part: Graph, cut: Cut): EndToEnd | undefined {
    const key = this.#keyOf(part);
    if (this.#exact.has(key)) return this.#exact.get(key);
    const rough = this.#roughOf(part, cut);
    return rough && { ...rough, total: rough.total + (this.#scale - 1) * rough.server };
  }

  #roughOf(part: Graph, cut: Cut): EndToEnd | undefined {
    const key = this.#keyOf(part);
    if (!this.#rough.has(key)) this.#rough.set(key, this.#request.rough(part, cut));
    return this.#rough.get(key);
  }

  #keyOf(part: Graph): string {
    const key = this.#keys.get(part) ?? partKey(part);
    this.#keys.set(part, key);
    return key;
  }
}
