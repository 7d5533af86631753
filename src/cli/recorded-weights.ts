import { isProblem } from "../base/diagnostic.ts";
import type { Tensor } from "../base/tensor.ts";
import type { ModelSource } from "../driver/read-model.ts";

/** A model with a list that fills with the tensors its text names, by their names in the weights file, while it is read. */
export function namedTensors(source: ModelSource): {
  readonly recording: ModelSource;
  readonly named: ReadonlyMap<string, Tensor>;
} {
  const named = new Map<string, Tensor>();
  if (!("file" in source)) return { recording: source, named };
  const { file, host } = source;
  const weights: typeof host.weights = (path, from) => {
    const found = host.weights(path, from);
    if (isProblem(found)) return found;
    const tensor = (name: string) => {
      const value = found.tensor(name);
      if (!isProblem(value)) named.set(name, value);
      return value;
    };
    return { names: found.names, tensor };
  };
  return { recording: { file, host: { source: (path, from) => host.source(path, from), weights } }, named };
}
