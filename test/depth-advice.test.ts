import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { noSpan } from "../src/base/span.ts";
import { layersOnPath, type Offers, type TooDeep, waysOut } from "../src/driver/depth-advice.ts";
import { roughMilliseconds } from "../src/driver/rough-cost.ts";
import { multiplicativeDepth } from "../src/ir/analysis.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { depthNotes } from "../src/ir/path-notes.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { Net } from "./ops-builder.ts";

/** Layers of polynomials of one degree each, one behind another. */
function chain(degrees: readonly number[]): Graph {
  const net = new Net();
  const coeffs = (degree: number) => [...Array(degree).fill(0), 1];
  const end = degrees.reduce<NodeId>(
    (x, degree, i) => net.op("polynomial", [x], { coeffs: coeffs(degree) }, { name: `p${i}` }),
    net.input([8]),
  );
  return net.graph(end);
}

/** Rings with three levels more for each doubling, and one more for each four bits less than 12. */
const offers: Offers = {
  degrees: [4096, 8192, 16384],
  levels: (degree, precision) => 3 * Math.log2(degree / 4096) + 3 + Math.floor((12 - precision) / 4),
};

function advice(graph: Graph, more: Partial<TooDeep> = {}): readonly string[] {
  const settings = { ...defaultSettings, ...more.settings };
  return waysOut({ network: graph, unexpanded: graph, degree: 16384, offered: 9, offers, ...more, settings });
}

it("names the degrees that make a network fit, the largest first, and no more of them than it needs", () => {
  const ways = advice(chain([3, 15, 15, 7]));
  expect(multiplicativeDepth(chain([3, 15, 15, 7])).depth).toBe(13);
  const lower = ways.find((way) => way.startsWith("lower"))!;
  expect(lower).toMatch(/^lower the degree of 'p1' from 15 to 3 and 1 more, for 9 levels in all, about/);
});

it("says when lower degrees are not enough by themselves", () => {
  const ways = advice(chain([2, 2, 2, 3, 2, 2, 2, 2, 2, 2, 2]), { offered: 9 });
  expect(ways.find((way) => way.startsWith("lower"))).toMatch(
    /from 3 to 2, for 2\d levels in all, which is not enough/,
  );
});

it("puts one client step into the middle, or as many as are needed", () => {
  expect(advice(chain([7, 7, 7, 7, 7])).join()).toMatch(
    /a client step at 'p2', the middle of the path, halves the depth/,
  );
  expect(advice(chain(Array(24).fill(3))).join()).not.toContain("the middle of the path");
  expect(advice(chain(Array(15).fill(3))).join()).toMatch(
    /client steps at '\w+', '\w+'(, '\w+')? leave parts of \d levels/,
  );
});

it("offers a larger ring only to who asked for a smaller one, and less precision where that does", () => {
  const deep = chain([3, 3, 3]);
  const asked = advice(deep, { settings: { ...defaultSettings, degree: 4096 }, degree: 4096, offered: 3 }).join();
  expect(asked).toContain("ask for 8192, which has room for 6 levels");
  expect(advice(deep, { offered: 5 }).join()).not.toContain("leave 'degree' out");
  expect(advice(chain([3, 3, 3, 3, 3]), { offered: 9 }).join()).toContain("set precision to 8 bits");
});

it("shortens a long path, and shows a polynomial as one layer", () => {
  const net = new Net();
  const x = net.input([4]);
  const p = net.op("polynomial", [x], { coeffs: [0, 0, 0, 1] }, { name: "p" });
  const written = net.graph(p);
  const other = new Net();
  const square = other.op("square", [other.input([4])], {}, { name: "p.square" });
  const expanded = other.graph(other.op("multiply", [square, square], {}, { name: "p" }));
  expect(layersOnPath(expanded, written).map(({ node, levels }) => [node.op, levels])).toEqual([["polynomial", 2]]);
  const notes = depthNotes(multiplicativeDepth(chain(Array(40).fill(3))).path);
  expect(notes).toHaveLength(7);
  expect(notes[3]).toEqual({ message: "34 more layers, from 'p3' to 'p36', take 68 levels", span: noSpan });
});

it("estimates more time for larger rings and more levels", () => {
  const time = (graph: Graph, degree: number) => roughMilliseconds(graph, degree, defaultCostTable);
  const [short, long] = [3, 6].map((n) => {
    const net = new Net();
    return net.graph(
      Array.from({ length: n }).reduce<never>((x) => net.op("square", [x]) as never, net.input([8]) as never),
    );
  });
  expect(time(long!, 8192)).toBeGreaterThan(time(short!, 8192));
  expect(time(long!, 16384)).toBeGreaterThan(2 * time(long!, 8192));
});
