/** Bits that coefficients keep, counted from the largest of them: what noise would blur at any rate. */
const keptBits = 40;

/** Coefficients as multiples of one power of two, so that last bits of a computation do not show; tiny ones become 0. */
export function rounded(coefficients: readonly number[]): number[] {
  const largest = coefficients.reduce((most, c) => Math.max(most, Math.abs(c)), 0);
  if (largest === 0) return [...coefficients];
  let unit = 1;
  while (unit > largest) unit /= 2;
  while (unit * 2 <= largest) unit *= 2;
  const step = unit / 2 ** keptBits;
  return coefficients.map((c) => Math.round(c / step) * step + 0);
}
