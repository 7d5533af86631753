import type { Ciphertext, Encryptor, KeyGenerator, Plaintext } from "node-seal/allows";
import { CompilerBug, invariant, isProblem } from "../base/diagnostic.ts";
import { chooseChain } from "../scheme/chain.ts";
import type { Measurement } from "../scheme/cost-fit.ts";
import type { CostOp } from "../scheme/cost-table.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import { type Client, openClient } from "./client.ts";
import { type Context, openContext } from "./context.ts";
import { type ClientPlan, makeSessionKeys } from "./keys.ts";
import { loadSeal, type Seal } from "./library.ts";
import { type SealEvaluator, sealEvaluator } from "./machine.ts";

/** A ring to measure in, and the numbers of data primes to measure at; the largest is that of its chain. */
export interface CalibrationRing {
  readonly degree: number;
  readonly primes: readonly number[];
}

/** Rings and levels that compiled networks use; together about ten seconds. */
export const calibrationRings: readonly CalibrationRing[] = [
  { degree: 4096, primes: [2] },
  { degree: 8192, primes: [5, 3, 2] },
  { degree: 16384, primes: [8, 4] },
];

export interface CalibrationOptions {
  readonly rings?: readonly CalibrationRing[];
  /** Milliseconds on a clock that never runs back. */
  now(): number;
  /** How much is done, 0 .. 1. */
  progress?(done: number): void;
}

/** Something to measure; `run` frees what it makes. */
interface Subject extends Omit<Measurement, "milliseconds"> {
  readonly run: () => void;
}

type Operations = { readonly [K in CostOp]?: () => void };

/**
 * Other work on the machine only ever adds time, for some while: the best of several samples is nearest to the truth, and
 * rounds through all operations set those of one apart.
 */
const rounds = 3;
const samples = 3;
/** Shorter than this, reading the clock would count. */
const sampleMilliseconds = 2;
const mostRepeats = 1000;

/** Measures SEAL's operations in this process, in one thread. Takes over the thread until it is done. */
export async function measureCosts({
  rings = calibrationRings,
  now,
  progress = () => {},
}: CalibrationOptions): Promise<Measurement[]> {
  const seal = await loadSeal();
  const [first, ...others] = rings;
  invariant(first !== undefined, "measures in some ring");
  // The first time counts for nothing: engines translate WebAssembly better once it has run for a while.
  const all = [first, first, ...others];
  const work = (ring: CalibrationRing) => ring.degree * ring.primes.reduce((sum, l) => sum + l * l, 0);
  const total = all.reduce((sum, ring) => sum + work(ring), 0);
  let done = 0;
  const measured = all.map((ring) => {
    const result = measureRing(seal, ring, now, (part) => progress((done + part * work(ring)) / total));
    done += work(ring);
    return result;
  });
  return measured.slice(1).flat();
}

function measureRing(
  seal: Seal,
  { degree, primes }: CalibrationRing,
  now: () => number,
  progress: (done: number) => void,
): Measurement[] {
  const scheme = schemeFor(degree, Math.max(...primes));
  progress(0);
  const began = now();
  const context = openContext(seal, scheme);
  const made = { op: "context", degree, primes: scheme.primes.length + 1, milliseconds: now() - began } as const;
  const plan = planFor(scheme);
  const { secretKey, evaluation } = makeSessionKeys(context, plan);
  const client = openClient(context, plan, secretKey);
  const machine = sealEvaluator(context, evaluation, plan.galoisSteps);
  const encryption = new Encryption(context);
  try {
    const atLevel = (level: number) =>
      subjects(
        { ...serverOperations(context, machine, client, level), ...encryption.operations(client, machine, level) },
        degree,
        level + 1,
      );
    const list = [
      ...subjects(encryption.keyOperations(), degree, scheme.primes.length),
      ...primes.flatMap((count) => atLevel(count - 1)),
    ];
    return [made, ...seal.guard("measuring", () => measureAll(list, now, progress))];
  } finally {
    encryption.dispose();
    machine.dispose();
    client.dispose();
    evaluation.dispose();
    context.dispose();
  }
}

/** Every subject's best time; each is measured in several rounds. */
export function measureAll(
  list: readonly Subject[],
  now: () => number,
  progress: (done: number) => void = () => {},
): Measurement[] {
  const best = list.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of list.entries()) {
      progress((round * list.length + i) / (rounds * list.length));
      // The first call may have to take memory.
      if (round === 0) run();
      best[i] = Math.min(best[i]!, bestOf(run, now));
    }
  }
  return list.map(({ op, degree, primes }, i) => ({ op, degree, primes, milliseconds: best[i]! }));
}

/** Milliseconds of one call, the best of several samples. */
function bestOf(run: () => void, now: () => number): number {
  const time = (repeats: number): number => {
    const began = now();
    for (let i = 0; i < repeats; i++) run();
    return (now() - began) / repeats;
  };
  const once = time(1);
  const repeats = Math.max(1, Math.min(mostRepeats, Math.ceil(sampleMilliseconds / once)));
  return Array.from({ length: samples }, () => time(repeats)).reduce((a, b) => Math.min(a, b));
}

function subjects(operations: Operations, degree: number, primes: number): Subject[] {
  return (Object.entries(operations) as [CostOp, () => void][]).map(([op, run]) => ({ op, degree, primes, run }));
}

function schemeFor(degree: number, primes: number): Scheme {
  const scheme = chooseChain({ degree, levels: primes - 1, security: 128 });
  if (isProblem(scheme)) throw new CompilerBug(`no ring of degree ${degree} with ${primes} primes to measure in`);
  return scheme;
}

/** As much of a plan as keys need: one rotation, and conjugation. */
function planFor(scheme: Scheme): ClientPlan {
  const cost = { totals: { relinearizations: 1 } };
  return { id: "0".repeat(64), scheme, galoisSteps: [0, 1], inputs: [], outputs: [], cost };
}

function serverOperations({ scheme }: Context, machine: SealEvaluator, client: Client, level: number): Operations {
  const values = someValues(scheme);
  const scale = canonicalScales(scheme)[level]!;
  const x = machine.load(client.encryptSlots(values, level), level);
  const y = machine.load(client.encryptSlots(values, level), level);
  const p = machine.encode(values, level, scale);
  const product = machine.multiplyPlain(x, p);
  const square = machine.square(x);
  const freed = (run: () => ReturnType<SealEvaluator["add"]>) => () => machine.free(run());
  return {
    rotate: freed(() => machine.rotate(x, 1)),
    conjugate: freed(() => machine.conjugate(x)),
    relinearize: freed(() => machine.relinearize(square)),
    multiply: freed(() => machine.multiply(x, y)),
    square: freed(() => machine.square(x)),
    multiplyPlain: freed(() => machine.multiplyPlain(x, p)),
    multiplyMonomial: freed(() => machine.multiplyMonomial(x, 1)),
    addPlain: freed(() => machine.addPlain(x, p)),
    add: freed(() => machine.add(x, y)),
    rescale: freed(() => machine.rescale(product)),
    modSwitch: freed(() => machine.modSwitch(x)),
    encode: () => machine.freePlain(machine.encode(values, level, scale)),
  };
}

/** SEAL's keys and encryption as such, without what files need. */
class Encryption {
  readonly #context: Context;
  readonly #generator: KeyGenerator;
  readonly #encryptor: Encryptor;
  readonly #to: Ciphertext;
  readonly #plaintexts: Plaintext[] = [];

  constructor(context: Context) {
    const { seal, handle } = context;
    this.#context = context;
    [this.#generator, this.#encryptor, this.#to] = seal.guard("making keys", () => {
      const generator = new seal.api.KeyGenerator(handle);
      const encryptor = seal.using(generator.secretKey(), (secret) =>
        seal.using(generator.createPublicKey(), (open) => new seal.api.Encryptor(handle, open, secret)),
      );
      return [generator, encryptor, new seal.api.Ciphertext()] as const;
    });
  }

  keyOperations(): Operations {
    const { seal } = this.#context;
    return {
      galoisKey: () => seal.release(this.#generator.createGaloisKeysWithSteps(Int32Array.of(1))),
      relinKey: () => seal.release(this.#generator.createRelinKeys()),
    };
  }

  /** Encryption without encoding, decryption with decoding, as cost tables count them. */
  operations(client: Client, machine: SealEvaluator, level: number): Operations {
    const { seal, scheme, handle, plaintexts } = this.#context;
    const values = someValues(scheme);
    // As results come: those of encryption hold a seed instead of half the numbers.
    const cipher = machine.load(client.encryptSlots(values, level), level);
    const saved = machine.save(cipher);
    machine.free(cipher);
    const plaintext = seal.guard("preparing", () => {
      const made = new seal.api.Plaintext();
      this.#plaintexts.push(made);
      made.loadFromArray(handle, plaintexts.encode(values, level, canonicalScales(scheme)[level]!));
      return made;
    });
    return {
      encrypt: () => this.#encryptor.encryptSymmetric(plaintext, this.#to),
      encryptPublic: () => this.#encryptor.encrypt(plaintext, this.#to),
      decrypt: () => void client.decryptSlots(saved, false),
    };
  }

  dispose(): void {
    this.#context.seal.release(this.#encryptor, this.#generator, this.#to, ...this.#plaintexts);
  }
}

/** Times do not depend on the numbers; only zeros and constants would be an exception. */
function someValues({ degree }: Scheme): SlotVector {
  return { re: Float64Array.from({ length: degree / 2 }, (_, j) => ((j * 37) % 101) / 101 - 0.5) };
}
