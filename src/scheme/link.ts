/** The way between client and server. */
export interface Link {
  /** Megabits per second, in both directions. */
  readonly bandwidth: number;
  /** Milliseconds from sending a byte until one that answers it arrives: what another round costs at least. */
  readonly latency: number;
}

/** What holds where nothing is said: two sites of one country. */
export const defaultLink: Link = { bandwidth: 100, latency: 20 };
