import { createHash } from "node:crypto";
import { fail, invariant } from "../base/diagnostic.ts";

/** What the files of a run hold; the index is their tag. */
export const containerKinds = [
  "secret-key",
  "evaluation-keys",
  "public-key",
  "ciphertexts",
  "result",
  "client-state",
  "server-state",
] as const;
export type ContainerKind = (typeof containerKinds)[number];

/** The kinds in words. */
export const kindNames: { readonly [K in ContainerKind]: string } = {
  "secret-key": "a secret key",
  "evaluation-keys": "evaluation keys",
  "public-key": "a public key",
  ciphertexts: "encrypted inputs",
  result: "an encrypted result",
  "client-state": "the state of a client, which is never sent",
  "server-state": "the state of a server",
};

/** Whom a container belongs to. */
export interface Owner {
  /** Plan id: 64 hexadecimal digits. */
  readonly planId: string;
  /** Key id: 32 hexadecimal digits, the first half of the SHA-256 of the public key. */
  readonly keyId: string;
  /** Which message it is, where client and server exchange several, or which one a state waits for. */
  readonly turn?: Turn | undefined;
}

/** A place in the exchange between a client and a server that compute a network with client steps. */
export interface Turn {
  /** 32 hexadecimal digits, drawn at random for each set of inputs. */
  readonly session: string;
  /** Counted from 1. The kind of the file says who sent it. */
  readonly round: number;
}

export interface Section {
  readonly name: string;
  readonly bytes: number;
}

/** A container whose checksum was checked; the sections lie in its bytes. */
export interface Container extends Owner {
  readonly sections: ReadonlyMap<string, Uint8Array>;
}

/** What a reader expects. `what` names the file in messages. */
export interface Expected {
  readonly what: string;
  readonly kind: ContainerKind;
  readonly planId: string;
}

/*
 * magic "SWHE" | u16 version | u16 kind | u32 header length | header (JSON) | sections | SHA-256 of all before.
 * SEAL's own serialization has no checksum, takes keys of one kind for another and ignores what follows its end.
 */
const magic = "SWHE";
const version = 1;
const prefixBytes = 12;
const hashBytes = 32;
const largestHeader = 2 ** 24;
const hashStep = 2 ** 28;
const lastRound = 2 ** 16;

/** Writes a container. The content of each section is asked for in turn, so that large ones need not exist side by side. */
export function writeContainer(
  kind: ContainerKind,
  owner: Owner,
  sections: readonly Section[],
  content: (section: number) => Uint8Array,
): Uint8Array {
  const header = new TextEncoder().encode(headerText(owner, sections));
  const payload = sections.reduce((sum, section) => sum + section.bytes, 0);
  const bytes = new Uint8Array(prefixBytes + header.length + payload + hashBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  view.setUint16(4, version, true);
  view.setUint16(6, containerKinds.indexOf(kind), true);
  view.setUint32(8, header.length, true);
  bytes.set(header, prefixBytes);
  let at = prefixBytes + header.length;
  for (const [index, section] of sections.entries()) {
    const part = content(index);
    invariant(
      part.length === section.bytes,
      `section '${section.name}' has ${part.length} bytes, not ${section.bytes}`,
    );
    bytes.set(part, at);
    at += part.length;
  }
  bytes.set(sha256(bytes.subarray(0, at)), at);
  return bytes;
}

/** The kind a file claims to be; undefined when it is no container of ours. */
export function containerKind(bytes: Uint8Array): ContainerKind | undefined {
  if (bytes.length < prefixBytes || !startsWithMagic(bytes)) return undefined;
  return containerKinds[viewOf(bytes).getUint16(6, true)];
}

/**
 * Reads a container and checks kind, length, checksum and plan, in this order. Throws a SealwrightError with a code of its
 * own for each. Whether the key id is the right one is left to the caller.
 */
export function readContainer(bytes: Uint8Array, expected: Expected): Container {
  const { what, kind, planId } = expected;
  checkKind(bytes, expected);
  const headerLength = viewOf(bytes).getUint32(8, true);
  if (headerLength > largestHeader)
    fail("no-container", "nowhere", { what, reason: `its header claims ${headerLength} bytes` });
  const start = prefixBytes + headerLength;
  if (bytes.length < start + hashBytes)
    fail("container-truncated", "nowhere", { what, bytes: bytes.length, needed: start + hashBytes });
  const header = readHeader(bytes.subarray(prefixBytes, start));
  if (header === undefined) {
    // A flipped bit is the likelier cause, and the checksum tells.
    if (!checksumHolds(bytes)) fail(kind === "result" ? "result-damaged" : "container-damaged", "nowhere", { what });
    fail("no-container", "nowhere", { what, reason: "its header is not one that sealwright writes" });
  }
  const needed = header.sections.reduce((sum, section) => sum + section.bytes, start) + hashBytes;
  if (bytes.length < needed) fail("container-truncated", "nowhere", { what, bytes: bytes.length, needed });
  if (bytes.length > needed) fail("container-trailing", "nowhere", { what, bytes: bytes.length, needed });
  if (!checksumHolds(bytes)) fail(kind === "result" ? "result-damaged" : "container-damaged", "nowhere", { what });
  if (header.planId !== planId) fail("foreign-plan", "nowhere", { what, found: header.planId, needed: planId });
  const sections = new Map<string, Uint8Array>();
  let at = start;
  for (const section of header.sections) {
    sections.set(section.name, bytes.subarray(at, at + section.bytes));
    at += section.bytes;
  }
  return { planId, keyId: header.keyId, turn: header.turn, sections };
}

function checkKind(bytes: Uint8Array, { what, kind }: Expected): void {
  if (bytes.length === 0) fail("no-container", "nowhere", { what, reason: "it is empty" });
  const begins = new TextDecoder("latin1").decode(bytes.subarray(0, magic.length));
  if (!magic.startsWith(begins) && begins !== magic)
    fail("no-container", "nowhere", { what, reason: "it is no file of sealwright's" });
  if (bytes.length < prefixBytes)
    fail("container-truncated", "nowhere", { what, bytes: bytes.length, needed: prefixBytes + hashBytes });
  const found = viewOf(bytes).getUint16(4, true);
  if (found !== version) fail("container-version", "nowhere", { what, version: found, known: version });
  const claimed = containerKind(bytes);
  if (claimed === kind) return;
  if (claimed === undefined)
    fail("no-container", "nowhere", { what, reason: `it is of unknown kind ${viewOf(bytes).getUint16(6, true)}` });
  if (claimed === "secret-key") fail("unwanted-secret-key", "nowhere", { what, needed: kindNames[kind] });
  fail("wrong-container", "nowhere", { what, found: kindNames[claimed], needed: kindNames[kind] });
}

/** The one text a header has; reading accepts no other, so doubled keys and foreign ones do not get through. */
function headerText({ planId, keyId, turn }: Owner, sections: readonly Section[]): string {
  const list = sections.map(({ bytes, name }) => ({ bytes, name }));
  const { round, session } = turn ?? {};
  return JSON.stringify({ key: keyId, plan: planId, round, sections: list, session });
}

function readHeader(bytes: Uint8Array): (Owner & { readonly sections: readonly Section[] }) | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const { key, plan, round, sections, session } = JSON.parse(text) as { readonly [field: string]: unknown };
    if (!isHex(key, 32) || !isHex(plan, 64) || !Array.isArray(sections)) return undefined;
    const turn = isHex(session, 32) && isRound(round) ? { session, round } : undefined;
    const good = sections.every(
      ({ bytes, name }) => Number.isSafeInteger(bytes) && bytes >= 0 && bytes < 2 ** 40 && typeof name === "string",
    );
    const owner = { planId: plan, keyId: key, turn };
    const distinct = new Set(sections.map(({ name }) => name)).size === sections.length;
    return good && distinct && headerText(owner, sections) === text ? { ...owner, sections } : undefined;
  } catch {
    return undefined;
  }
}

function isHex(value: unknown, digits: number): value is string {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]*$/.test(value);
}

function isRound(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= lastRound;
}

function checksumHolds(bytes: Uint8Array): boolean {
  const end = bytes.length - hashBytes;
  return Buffer.compare(sha256(bytes.subarray(0, end)), bytes.subarray(end)) === 0;
}

function startsWithMagic(bytes: Uint8Array): boolean {
  return [...magic].every((letter, i) => bytes[i] === letter.charCodeAt(0));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Hashes any length; Node takes at most 2 GiB at once. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += hashStep) hash.update(bytes.subarray(at, at + hashStep));
  return hash.digest();
}
