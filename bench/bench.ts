/**
 * `npm run bench`: for each example, exact counts beside published ones, and times measured on this machine.
 * Give names of examples to measure only those.
 */
import { type ExampleName, exampleNames, readExample } from "../examples/models.ts";
import { seededRandom } from "../examples/random.ts";
import { compileModel, openSession, type Plan, type Tensors, tensor } from "../src/index.ts";
import { type Column, table } from "../src/report/table.ts";

/** Rotations of Orion's best baby-step giant-step split for the same network and ring (published). */
const published: { readonly [name in ExampleName]?: string } = { mlp: "77", lola: "57", lenet: "279" };

interface Row {
  readonly name: string;
  readonly plan: Plan;
  readonly compileMs: number;
  readonly firstMs: number;
  readonly steadyMs: number;
}

const chosen = exampleNames.filter((name) => process.argv.length === 2 || process.argv.includes(name));
const rows: Row[] = [];
for (const name of chosen) rows.push(await measure(name));
process.stdout.write(
  table(
    [
      column("network", "left", (r) => r.name),
      column("degree", "right", (r) => `${r.plan.scheme.degree}`),
      column("levels", "right", (r) => `${r.plan.cost.totals.levels}`),
      column("rotations", "right", (r) => `${r.plan.cost.totals.rotations}`),
      column("Orion", "right", (r) => published[r.name as ExampleName] ?? "-"),
      column("products", "right", (r) => `${r.plan.cost.totals.plainMultiplications}`),
      column("keys", "right", (r) => `${r.plan.cost.totals.galoisKeys}`),
      column("bits", "right", (r) => r.plan.precision.boundBits.toFixed(1)),
      column("compile ms", "right", (r) => r.compileMs.toFixed(0)),
      column("predicted ms", "right", (r) => r.plan.cost.estimate.milliseconds.toFixed(0)),
      column("first ms", "right", (r) => r.firstMs.toFixed(0)),
      column("steady ms", "right", (r) => r.steadyMs.toFixed(0)),
    ],
    rows,
  ),
);

function column(title: string, align: "left" | "right", cell: (row: Row) => string): Column<Row> {
  return { title, align, cell };
}

async function measure(name: ExampleName): Promise<Row> {
  const { file, host } = readExample(name);
  const compileTimes: number[] = [];
  let plan = compileModel(file, host).plan;
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    plan = compileModel(file, host).plan;
    compileTimes.push(performance.now() - began);
  }
  console.error(`${name}: compiled, running on SEAL`);
  const times = await runTimes(plan);
  return { name, plan, compileMs: Math.min(...compileTimes), ...times };
}

/** The first inference encodes the weights, later ones find them cached. */
async function runTimes(plan: Plan): Promise<{ readonly firstMs: number; readonly steadyMs: number }> {
  const random = seededRandom(1);
  const inputs: Tensors = new Map(
    plan.inputs.map(({ name, shape, range: [low, high] }) => {
      const size = shape.reduce((n, d) => n * d, 1);
      return [
        name,
        tensor(
          shape,
          Float64Array.from({ length: size }, () => low + (high - low) * random()),
        ),
      ];
    }),
  );
  const session = await openSession(plan);
  const times: number[] = [];
  try {
    for (let i = 0; i < 4; i++) {
      const began = performance.now();
      await session.run(inputs);
      times.push(performance.now() - began);
    }
  } finally {
    await session.close();
  }
  return { firstMs: times[0]!, steadyMs: Math.min(...times.slice(1)) };
}
