/** A line of a plot: points in the order they are joined. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
}

const [width, height] = [640, 400];
const [left, top, right, bottom] = [60, 36, 170, 44];
const colours = ["#1b6ca8", "#d1495b", "#2a9d5c", "#e08e1b", "#6a4c93", "#3f3f3f"];
/** Of lines behind the first of each colour. */
const dashes = ["", "6 3", "2 3", "8 3 2 3"];

/** A plot as an SVG document. Lines called `a, b` share a colour by `a` and a pattern by `b`. */
export function svgPlot({ title, x, y, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  const [xs, ys] = [ticks(points.map((p) => p[0])), ticks(points.map((p) => p[1]))];
  const across = scale(xs, left, width - right);
  const up = scale(ys, height - bottom, top);
  const names = lines.map(({ name }) => name.split(", "));
  const [first, second] = [0, 1].map((i) => [...new Set(names.map((parts) => parts[i] ?? ""))]);
  const style = (i: number) => {
    const colour = colours[first!.indexOf(names[i]![0]!) % colours.length];
    return `stroke="${colour}" stroke-dasharray="${dashes[second!.indexOf(names[i]![1] ?? "") % dashes.length]}" fill="none"`;
  };
  const place = ([px, py]: readonly [number, number]) => `${across(px).toFixed(1)},${up(py).toFixed(1)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(left, 20, title, 'font-weight="bold"'),
    text((left + width - right) / 2, height - 8, x, 'text-anchor="middle"'),
    text(left, top - 6, y),
    ...xs.flatMap((v) => [
      `<path d="M${across(v)} ${top}V${height - bottom}" stroke="#ddd"/>`,
      text(across(v), height - bottom + 16, `${v}`, 'text-anchor="middle"'),
    ]),
    ...ys.flatMap((v) => [
      `<path d="M${left} ${up(v)}H${width - right}" stroke="#ddd"/>`,
      text(left - 6, up(v) + 4, `${v}`, 'text-anchor="end"'),
    ]),
    ...lines.flatMap((line, i) => [
      `<polyline points="${line.points.map(place).join(" ")}" stroke-width="2" ${style(i)}/>`,
      ...line.points.map(
        (p) => `<circle cx="${across(p[0]).toFixed(1)}" cy="${up(p[1]).toFixed(1)}" r="3" ${style(i)}/>`,
      ),
      `<path d="M${width - right + 12} ${top + 8 + 20 * i}h28" stroke-width="2" ${style(i)}/>`,
      text(width - right + 46, top + 12 + 20 * i, line.name),
    ]),
    "</svg>",
    "",
  ].join("\n");
}

function text(x: number, y: number, content: string, more = ""): string {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${more === "" ? "" : ` ${more}`}>${escaped}</text>`;
}

/** Round numbers around all values, about five steps apart. */
function ticks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rough = (high - low || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough)!;
  const first = Math.floor(low / step);
  const count = Math.ceil(high / step) - first;
  return Array.from({ length: Math.max(count, 1) + 1 }, (_, i) => Number(((first + i) * step).toPrecision(10)));
}

function scale(marks: readonly number[], from: number, to: number): (value: number) => number {
  const [low, high] = [marks[0]!, marks.at(-1)!];
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}
