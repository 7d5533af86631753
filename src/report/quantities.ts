/** `19.0 MB`, `640 KB`, `12 B`; binary multiples, as memory is sold. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  const units = ["KB", "MB", "GB", "TB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(value < 100 ? 1 : 0)} ${units[unit]}`;
}

/** `0.4 ms`, `510 ms`, `8.5 s`, `3 min 20 s`. */
export function formatTime(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(0)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** `7 %`, `0.3 %`, `<0.1 %` of a whole; an empty whole gives `0 %`. */
export function formatShare(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  if (percent > 0 && percent < 0.05) return "<0.1 %";
  return `${percent > 0 && percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

/** `1 key`, `7 keys`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** What an error of `2^-bits` is in decimal, `0.0002`; two significant digits. */
export function errorOfBits(bits: number): string {
  return Number.isFinite(bits) ? Number((2 ** -bits).toPrecision(2)).toString() : "unbounded";
}

export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
