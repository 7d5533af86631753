import type { SpectralCost } from "../driver/circulant-costs.ts";
import type { AssignedLayer, CirculantModel } from "../driver/circulant-model.ts";
import { counted, formatShape } from "./quantities.ts";
import { table } from "./table.ts";

/** Which blocks layers have got: what each costs before and after, and by how much its weights change. */
export function circulantText({ layers, degree, budgetMilliseconds }: CirculantModel): string {
  const change = (of: (cost: SpectralCost) => string | number) => (l: AssignedLayer) =>
    `${of(l.dense)} > ${of(l.circulant)}`;
  const rows = table<AssignedLayer>(
    [
      { title: "layer", align: "left", cell: (l) => l.layer, maxWidth: 28 },
      { title: "weight", align: "left", cell: (l) => formatShape(l.shape), maxWidth: 24 },
      { title: "block", align: "right", cell: (l) => `${l.block}` },
      { title: "loss", align: "right", cell: (l) => `${Number(l.loss.toPrecision(3))}` },
      { title: "changes by", align: "right", cell: (l) => `${Number((100 * l.change).toPrecision(2))} %` },
      { title: "rotations", align: "right", cell: change((c) => c.rotations) },
      { title: "products", align: "right", cell: change((c) => c.products) },
      { title: "ms", align: "right", cell: change((c) => c.milliseconds.toFixed(1)) },
    ],
    layers,
    120,
  );
  const { loss, dense, circulant } = totals(layers);
  return `circulant blocks of ${counted(layers.length, "layer")}, as counted for client steps in spectral layout at N = ${degree}
${rows}
rotations ${dense.rotations} > ${circulant.rotations}, products ${dense.products} > ${circulant.products}, ms ${dense.milliseconds.toFixed(1)} > ${circulant.milliseconds.toFixed(1)} of ${budgetMilliseconds.toFixed(1)} allowed; loss ${Number(loss.toPrecision(3))}
`;
}

function totals(layers: readonly AssignedLayer[]) {
  const sum = (of: (layer: AssignedLayer) => number) => layers.reduce((total, layer) => total + of(layer), 0);
  const costs = (of: (layer: AssignedLayer) => SpectralCost): SpectralCost => ({
    rotations: sum((l) => of(l).rotations),
    products: sum((l) => of(l).products),
    milliseconds: sum((l) => of(l).milliseconds),
  });
  return { loss: sum((l) => l.loss), dense: costs((l) => l.dense), circulant: costs((l) => l.circulant) };
}

/** The same for `circulant --json`. */
export function circulantJson({ layers, degree, budgetMilliseconds }: CirculantModel) {
  return { polyModulusDegree: degree, budgetMilliseconds, totals: totals(layers), layers };
}
