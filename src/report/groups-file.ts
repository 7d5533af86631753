import { type JsonInput, printJson } from "../base/json.ts";
import { type Tensor, tensor } from "../base/tensor.ts";
import type { RemovableCost, WeightGroup, WeightPart } from "../ir/weight-groups.ts";
import { type Column, table } from "./table.ts";

/** A safetensors file in the making. */
export interface GroupsFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Under `sealwright-groups`: JSON that names each tensor's group and what it removes (docs/pruning.md). */
  readonly metadata: ReadonlyMap<string, string>;
}

export const groupsKey = "sealwright-groups";

/** Groups and costs as index tensors with a description: flat indices into the named weight, ascending. */
export function groupsFile(model: string, groups: readonly WeightGroup[], costs: readonly RemovableCost[]): GroupsFile {
  const tensors = new Map<string, Tensor>();
  const indexed = (name: string, { layer, weight, indices }: WeightPart) => {
    tensors.set(name, tensor([indices.length], indices));
    return { layer, weight, indices: name };
  };
  const text = printJson({
    format: "sealwright-groups",
    version: 1,
    model,
    groups: groups.map((group, i): JsonInput => {
      const { kind, label, removes } = group;
      return { kind, label, removes, ...indexed(`group.${i}`, group) };
    }),
    costs: costs.map(
      ({ kind, label, removes, parts }, i): JsonInput => ({
        kind,
        label,
        removes,
        parts: parts.map((part, p) => indexed(`cost.${i}.${p}`, part)),
      }),
    ),
  });
  return { tensors, metadata: new Map([[groupsKey, text]]) };
}

/** How many groups each layer has of each kind, and what is gone when any one of them is zero: the least and the most. */
export function groupsTable(groups: readonly WeightGroup[], costs: readonly RemovableCost[]): string {
  const rows = new Map<
    string,
    { kind: string; layer: string; of: { size: number; removes: WeightGroup["removes"] }[] }
  >();
  const add = (kind: string, layer: string, size: number, removes: WeightGroup["removes"]) => {
    const key = `${kind} ${layer}`;
    const row = rows.get(key) ?? { kind, layer, of: [] };
    rows.set(key, row);
    row.of.push({ size, removes });
  };
  for (const { kind, layer, indices, removes } of groups) add(kind, layer, indices.length, removes);
  for (const { kind, parts, removes } of costs) {
    const layers = [...new Set(parts.map((part) => part.layer))].join(", ");
    add(
      `cost: ${kind}`,
      layers,
      parts.reduce((n, { indices }) => n + indices.length, 0),
      removes,
    );
  }
  type Row = typeof rows extends Map<string, infer R> ? R : never;
  const span = (title: string, of: (one: Row["of"][number]) => number): Column<Row> => ({
    title,
    align: "right",
    cell: (row) => {
      const [low, high] = [Math.min(...row.of.map(of)), Math.max(...row.of.map(of))];
      return low === high ? short(low) : `${short(low)} .. ${short(high)}`;
    },
  });
  return table<Row>(
    [
      { title: "kind", align: "left", cell: (row) => row.kind },
      { title: "layer", align: "left", cell: (row) => row.layer, maxWidth: 32 },
      { title: "groups", align: "right", cell: (row) => `${row.of.length}` },
      span("weights", (one) => one.size),
      span("rotations", (one) => one.removes.rotations),
      span("products", (one) => one.removes.products),
      span("keys", (one) => one.removes.keys),
      span("ms", (one) => one.removes.milliseconds),
    ],
    [...rows.values()],
  );
}

function short(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}
