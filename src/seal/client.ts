import { fail } from "../base/diagnostic.ts";
import { fromSlots, toSlots } from "../packing/slots.ts";
import { checkInputs, type InputOptions } from "../plan/inputs.ts";
import type { Tensors } from "../plan/machine.ts";
import type { Port } from "../plan/plan.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import { readContainer, type Turn, writeContainer } from "./container.ts";
import type { Context } from "./context.ts";
import { type ClientPlan, loadSecretKey } from "./keys.ts";
import { requireRandomness } from "./library.ts";
import { largestOutput, largestRms, partsOf } from "./ports.ts";
import { type CiphertextForm, ciphertextLength, ciphertextMisfit, refuse } from "./serialized.ts";

/** The side that holds the secret key. */
export interface Client {
  readonly keyId: string;
  /** Encrypts a model's inputs, once they are what the plan declares. */
  encrypt(inputs: Tensors, options?: InputOptions & { readonly turn?: Turn | undefined }): Uint8Array;
  /** Decrypts a result. Throws a SealwrightError when it is damaged, of another plan or key, or not plausible. */
  decrypt(result: Uint8Array): Tensors;
  /** Encrypts one number per slot at the canonical scale of a level, as SEAL serializes it with a seed. */
  encryptSlots(slots: SlotVector, level: number): Uint8Array;
  /** Decrypts a serialized ciphertext that was checked: its real parts, and the imaginary ones when asked, for twice the time. */
  decryptSlots(ciphertext: Uint8Array, complex: boolean): SlotVector;
  dispose(): void;
}

/** What a ciphertext of a port has to be: as many primes as its level says, at exactly the canonical scale. */
export function formOf(context: Context, level: number, seeded: boolean): CiphertextForm {
  const { scheme } = context;
  return {
    parmsId: context.levels[level]!,
    degree: scheme.degree,
    primes: scheme.primes.slice(0, level + 1),
    scale: canonicalScales(scheme)[level]!,
    seeded,
  };
}

/** Opens the client side of a plan with its secret key file. */
export function openClient(context: Context, plan: ClientPlan, secretKey: Uint8Array): Client {
  requireRandomness();
  const { seal, handle, encoder, evaluator, plaintexts } = context;
  const { api } = seal;
  const { keyId, key } = loadSecretKey(context, plan, secretKey);
  const { encryptor, decryptor, plaintext, ciphertext } = seal.guard("opening the client", () =>
    // SEAL's encryptor wants a public key even if it never uses it.
    seal.using(new api.KeyGenerator(handle, key), (generator) =>
      seal.using(generator.createPublicKey(), (open) => ({
        encryptor: new api.Encryptor(handle, open, key),
        decryptor: new api.Decryptor(handle, key),
        plaintext: new api.Plaintext(),
        ciphertext: new api.Ciphertext(),
      })),
    ),
  );
  const none = api.ComprModeType.none;

  const encryptSlots = (slots: SlotVector, level: number): Uint8Array => {
    const bytes = plaintexts.encode(slots, level, formOf(context, level, true).scale);
    return seal.guard("encrypting", () => {
      plaintext.loadFromArray(handle, bytes);
      return seal.using(encryptor.encryptSymmetricSerializable(plaintext), (c) => c.saveToArray(none) as Uint8Array);
    });
  };

  const realParts = (): Float64Array => {
    decryptor.decrypt(ciphertext, plaintext);
    return encoder.decodeFloat64(plaintext) as Float64Array;
  };

  const decryptSlots = (bytes: Uint8Array, complex: boolean): SlotVector =>
    seal.guard("decrypting", () => {
      ciphertext.loadFromArray(handle, bytes);
      const re = realParts();
      if (!complex) return { re };
      // SEAL decodes real parts only. X^(N/2) is i (-1)^j in slot j, and the real part of i z is minus the imaginary part of z.
      const level = ciphertext.coeffModulusSize() - 1;
      plaintext.loadFromArray(handle, plaintexts.monomial(context.scheme.degree / 2, level));
      evaluator.multiplyPlainInplace(ciphertext, plaintext);
      return { re, im: realParts().map((v, j) => (j % 2 === 0 ? -v : v)) };
    });

  return {
    keyId,
    encryptSlots,
    decryptSlots,
    encrypt(inputs, options = {}) {
      const checked = checkInputs(plan.inputs, inputs, options);
      const slots = new Map(plan.inputs.map((port) => [port.name, toSlots(checked.get(port.name)!, port.layout)]));
      const parts = partsOf(plan.inputs);
      const sections = parts.map(({ port, section }) => ({
        name: section,
        bytes: ciphertextLength(formOf(context, port.level, true)),
      }));
      return writeContainer("ciphertexts", { planId: plan.id, keyId, turn: options.turn }, sections, (i) => {
        const { port, part } = parts[i]!;
        return encryptSlots(slots.get(port.name)![part]!, port.level);
      });
    },
    decrypt(result) {
      const what = "the encrypted result";
      const { keyId: found, sections } = readContainer(result, { what, kind: "result", planId: plan.id });
      if (found !== keyId) fail("wrong-secret-key", "nowhere", { what, found, needed: keyId });
      checkParts(context, plan.outputs, sections, what, false);
      return new Map(
        plan.outputs.map((port) => {
          const slots = partsOf([port]).map(({ section }) => decryptSlots(sections.get(section)!, port.layout.complex));
          const value = fromSlots(slots, port.layout, port.shape);
          // Masked coefficients are all over the modulus, and so are all slots.
          if (!port.layout.coefficients) checkPlausible(port, slots, context.scheme);
          const limit = largestOutput(port, context.scheme);
          const beyond = value.data.find((v) => !(Math.abs(v) <= limit));
          if (beyond !== undefined)
            fail("result-not-trustworthy", "nowhere", { name: port.name, found: beyond, limit });
          return [port.name, value];
        }),
      );
    },
    dispose: () => seal.release(encryptor, decryptor, plaintext, ciphertext, key),
  };
}

/** Garbage is in every slot and both its parts, so the idle ones tell as well. Written so that a NaN fails. */
function checkPlausible({ name, level }: Port, slots: readonly SlotVector[], scheme: Scheme): void {
  const limit = largestRms(level, scheme);
  for (const plane of slots.flatMap(({ re, im }) => (im === undefined ? [re] : [re, im]))) {
    const found = Math.sqrt(plane.reduce((sum, v) => sum + v * v, 0) / plane.length);
    if (!(found <= limit)) fail("result-not-trustworthy", "nowhere", { name, found, limit });
  }
}

/** Checks that a container has exactly the ciphertexts of some ports, each as the plan declares it. */
export function checkParts(
  context: Context,
  ports: readonly Port[],
  sections: ReadonlyMap<string, Uint8Array>,
  what: string,
  seeded: boolean,
): void {
  const parts = partsOf(ports);
  if (sections.size !== parts.length || parts.some(({ section }) => !sections.has(section))) {
    const list = (names: Iterable<string>) =>
      [...names]
        .slice(0, 8)
        .map((name) => JSON.stringify(name))
        .join(", ") || "nothing";
    fail("sections-differ", "nowhere", {
      what,
      found: list(sections.keys()),
      needed: list(parts.map((p) => p.section)),
    });
  }
  for (const { port, section } of parts) {
    refuse(ciphertextMisfit(sections.get(section)!, formOf(context, port.level, seeded)), what, `'${section}'`);
  }
}
