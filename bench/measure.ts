/**
 * `node bench/measure.ts NETWORK`: runs one network on SEAL and prints a JSON list with a row for each variant. A process of
 * its own for every network, so that the most memory it took can be read off it.
 */
import { type ExampleName, readExample } from "../examples/models.ts";
import { seededRandom } from "../examples/random.ts";
import { compileModel, openSession, type Plan, type Tensors, tensor } from "../src/index.ts";
import { type Variant, variants } from "./networks.ts";

export interface Measured {
  readonly network: string;
  readonly variant: string;
  readonly degree: number;
  readonly levels: number;
  readonly rotations: number;
  readonly plainMultiplications: number;
  readonly galoisKeys: number;
  readonly boundBits: number;
  readonly compileMs: number;
  readonly predictedMs: number;
  /** Context and keys. */
  readonly keysMs: number;
  /** Encrypt, encode the weights, evaluate, decrypt. */
  readonly firstMs: number;
  /** The same with the weights encoded; the best of several. */
  readonly steadyMs: number;
  readonly predictedBytes: number;
  /** Of the whole process; only the first variant's is that variant's own. */
  readonly peakBytes: number | undefined;
}

type Session = Awaited<ReturnType<typeof openSession>>;

interface Contender {
  readonly variant: Variant;
  readonly plan: Plan;
  readonly compileMs: number;
  readonly session: Session;
  readonly keysMs: number;
  readonly runs: number[];
}

const steadyRuns = 3;

if (import.meta.main) {
  const rows = await measure(process.argv[2] as ExampleName);
  process.stdout.write(`${JSON.stringify(rows)}\n`);
}

async function measure(network: ExampleName): Promise<Measured[]> {
  const [first, ...others] = variants;
  const memory = watchMemory();
  const contenders = [await open(network, first)];
  const run = async ({ plan, session, runs }: Contender) => {
    runs.push((await timed(() => session.run(drawnInputs(plan)))).milliseconds);
  };
  try {
    await run(contenders[0]!);
    await run(contenders[0]!);
    const peakBytes = memory.stop();
    for (const variant of others) {
      const next = await open(network, variant);
      contenders.push(next);
      await run(next);
    }
    // In turns, so that a slow moment of the machine meets all alike.
    for (let round = 0; round < steadyRuns; round++) for (const contender of contenders) await run(contender);
    return contenders.map((c, i) => rowOf(network, c, i === 0 ? peakBytes : undefined));
  } finally {
    for (const { session } of contenders) await session.close();
  }
}

/**
 * Samples the memory of this process, workers included, until it is stopped; returns the most it saw. What the system itself
 * keeps as the maximum starts at that of the parent process.
 */
function watchMemory(): { stop(): number } {
  let most = 0;
  const sample = () => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  const timer = setInterval(sample, 10);
  return {
    stop: () => {
      clearInterval(timer);
      sample();
      return most;
    },
  };
}

async function open(network: ExampleName, variant: Variant): Promise<Contender> {
  const { file, host } = readExample(network);
  const compile = () => Promise.resolve(compileModel(file, host, { passOptions: variant.passOptions }));
  // The second time the compiler itself is compiled.
  await compile();
  const compiled = await timed(compile);
  const { plan } = compiled.result;
  const session = await timed(() => openSession(plan));
  return {
    variant,
    plan,
    compileMs: compiled.milliseconds,
    session: session.result,
    keysMs: session.milliseconds,
    runs: [],
  };
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly milliseconds: number }> {
  const began = performance.now();
  const result = await work();
  return { result, milliseconds: performance.now() - began };
}

function rowOf(network: string, contender: Contender, peakBytes: number | undefined): Measured {
  const { variant, plan, compileMs, keysMs, runs } = contender;
  const { totals, estimate } = plan.cost;
  return {
    network,
    variant: variant.name,
    degree: plan.scheme.degree,
    levels: totals.levels,
    rotations: totals.rotations,
    plainMultiplications: totals.plainMultiplications,
    galoisKeys: totals.galoisKeys,
    boundBits: plan.precision.boundBits,
    compileMs,
    predictedMs: estimate.milliseconds,
    keysMs,
    firstMs: runs[0]!,
    steadyMs: Math.min(...runs.slice(1)),
    predictedBytes: estimate.peakBytes,
    peakBytes,
  };
}

/** Numbers even in the range of each input. */
function drawnInputs(plan: Plan): Tensors {
  const random = seededRandom(1);
  return new Map(
    plan.inputs.map(({ name, shape, range: [low, high] }) => {
      const size = shape.reduce((n, d) => n * d, 1);
      const data = Float64Array.from({ length: size }, () => low + (high - low) * random());
      return [name, tensor(shape, data)];
    }),
  );
}
