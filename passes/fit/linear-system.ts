/** Solves a square system by elimination with the largest pivots; undefined where there is no pivot. */
export function solved(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  const size = rows.length;
  for (let k = 0; k < size; k++) {
    let pivot = k;
    for (let i = k + 1; i < size; i++) if (Math.abs(rows[i]![k]!) > Math.abs(rows[pivot]![k]!)) pivot = i;
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    const top = rows[k]!;
    if (!(Math.abs(top[k]!) > 0)) return undefined;
    for (let i = k + 1; i < size; i++) {
      const row = rows[i]!;
      const factor = row[k]! / top[k]!;
      if (factor === 0) continue;
      for (let j = k; j <= size; j++) row[j]! -= factor * top[j]!;
    }
  }
  const solution = new Array<number>(size).fill(0);
  for (let k = size - 1; k >= 0; k--) {
    const row = rows[k]!;
    let rest = row[size]!;
    for (let j = k + 1; j < size; j++) rest -= row[j]! * solution[j]!;
    solution[k] = rest / row[k]!;
  }
  return solution.every(Number.isFinite) ? solution : undefined;
}
