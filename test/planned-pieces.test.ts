import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { tensor } from "../src/base/tensor.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { Net, randomTensor } from "./ops-builder.ts";

async function expectRight(graph: Graph, inputs: ReadonlyMap<string, ReturnType<typeof randomTensor>>): Promise<void> {
  const settings = { ...defaultSettings, degree: 1024, precision: -64, insecure: true };
  const { plan } = compileGraph({ graph, settings, diagnostics: new Diagnostics() });
  const wanted = evaluate(graph, inputs).get("y")!.data;
  const found = (await simMachine.run(plan, inputs)).get("y")!.data;
  for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 9);
}

// What is kept of one layer must not be taken for another's that shares its weights.
it("layers alike but for the shapes of their operands are planned apart", async () => {
  const net = new Net();
  const turned = net.op("transpose", [net.input([27, 21])], { perm: [1, 0] });
  const back = net.op("transpose", [net.op("negate", [turned], {})], { perm: [1, 0] });
  await expectRight(net.graph(back), new Map([["x", randomTensor([27, 21])]]));
});

it("layers that share an array of weights in two shapes are planned apart", async () => {
  const { data } = randomTensor([8, 2, 5, 4]);
  for (const shape of [
    [8, 2, 5, 4],
    [8, 2, 4, 5],
  ]) {
    const net = new Net();
    const x = net.input([2, 8, 8]);
    const graph = net.graph(net.op("conv2d", [x, net.constant(shape)], {}));
    const nodes = graph.nodes.map((node) =>
      node.op === "constant" ? { ...node, attrs: { data: tensor(shape, data) } } : node,
    );
    await expectRight({ ...graph, nodes }, new Map([["x", randomTensor([2, 8, 8])]]));
  }
});
