import { type Container, containerKind, readContainer, writeContainer } from "../src/seal/container.ts";

/** What a file of keys or ciphertexts holds, whatever plan it belongs to. */
export function opened(bytes: Uint8Array): Container {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  const { plan } = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + length))) as { plan: string };
  return readContainer(bytes, { what: "it", kind: containerKind(bytes)!, planId: plan });
}

/** A change of one section, in place or by returning another one. */
export type Change = (section: Uint8Array, view: DataView, name: string) => Uint8Array | undefined;

/** A file with its sections changed and a checksum that is right again; `keyId` relabels it. */
export function rewritten(bytes: Uint8Array, change: Change, keyId?: string): Uint8Array {
  const file = opened(bytes);
  const sections = [...file.sections].map(([name, section]) => {
    const copy = section.slice();
    return { name, content: change(copy, new DataView(copy.buffer), name) ?? copy };
  });
  return writeContainer(
    containerKind(bytes)!,
    { planId: file.planId, keyId: keyId ?? file.keyId },
    sections.map(({ name, content }) => ({ name, bytes: content.length })),
    (i) => sections[i]!.content,
  );
}

export function setByte(offset: number, value: number): Change {
  return (section) => {
    section[offset] = value;
    return section;
  };
}

export function set64(offset: number, value: bigint): Change {
  return (section, view) => {
    view.setBigUint64(offset, value, true);
    return section;
  };
}

/** Changes the scale of a ciphertext, as SEAL serializes it. */
export function setScale(value: (before: number) => number): Change {
  return (section, view) => {
    view.setFloat64(73, value(view.getFloat64(73, true)), true);
    return section;
  };
}
