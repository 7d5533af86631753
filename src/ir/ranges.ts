/** Which values a layer's result takes: observed on data, stated by the user, or bounded by interval arithmetic. */
export interface LayerRange {
  readonly low: number;
  readonly high: number;
  readonly origin: "data" | "stated" | "intervals";
  /** How many observed values fell into each of equally wide parts of `low .. high`. Only of data. */
  readonly histogram?: readonly number[];
}

/** Ranges by the layer's name in the network as it was written. */
export type RangeTable = ReadonlyMap<string, LayerRange>;
