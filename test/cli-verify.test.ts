import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { type Digit, readDigits } from "../examples/digits/data.ts";
import { readExample } from "../examples/models.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { readModel } from "../src/driver/read-model.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { writeNpy } from "../src/weights/npy.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { zip } from "./zip-bytes.ts";

const digitsModel = join(import.meta.dirname, "../examples/digits/digits.hen");
const digits = readDigits().heldOut;
/** What the network answers to each digit, in single precision. */
let expected: Float64Array[];

beforeAll(() => {
  const { file, host } = readExample("digits");
  const { graph } = readModel(file, host);
  expected = digits.map(({ image }) =>
    evaluate(graph, new Map([["image", image]]))
      .get("logits")!
      .data.map(Math.fround),
  );
});

function archive(arrays: { readonly [name: string]: Tensor }): Uint8Array {
  return zip(Object.entries(arrays).map(([name, value]) => ({ name: `${name}.npy`, content: writeNpy(value) })));
}

const imagesOf = (all: readonly Digit[]) =>
  tensor(
    [all.length, 8, 8],
    all.flatMap(({ image }) => [...image.data]),
  );
const labelsOf = (all: readonly Digit[]) =>
  tensor(
    [all.length],
    all.map(({ label }) => label),
  );

/** A folder with the first digits: `digits.npz` holds images and labels, `images.npy` images, `labels.csv` and `logits.npy` answers. */
function digitsFolder(count: number): string {
  const folder = temporaryFolder();
  const some = digits.slice(0, count);
  const save = (name: string, bytes: Uint8Array | string) => writeFileSync(join(folder, name), bytes);
  save("digits.npz", archive({ pixels: imagesOf(some), labels: labelsOf(some) }));
  save("images.npy", writeNpy(imagesOf(some)));
  save("labels.csv", some.map(({ label }) => label).join("\n"));
  save(
    "logits.npy",
    writeNpy(
      tensor(
        [count, 10],
        expected.slice(0, count).flatMap((one) => [...one]),
      ),
    ),
  );
  return folder;
}

const steps = (activation: string, range: number) => `network steps {
  input x: [2] in -1 .. 1
  h = relu(dense(x, weight = [[1, -2], [0.5, 1], [-1, 1]], bias = [0.25, 0, -0.5]))   @range(-${range}, ${range})
  output y = dense(h, weight = [[1, 2, 3], [-1, 0.5, 1]])
}
target seal {
  precision = 8 bits
  activation relu = ${activation}
}
`;

function stepsFolder(activation: string, range: number, ...x: readonly number[]): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "steps.hen"), steps(activation, range));
  writeFileSync(join(folder, "x.npy"), writeNpy(tensor([x.length / 2, 2], x)));
  return folder;
}

/** Without the one figure that any change of packing moves. */
const masked = (table: string) => table.replace(/(plan on numbers = .*, bits +)\d\d\.\d/, "$1##.#");

it("the digits pass all gates, 360 on numbers", { timeout: 120_000 }, async () => {
  const folder = digitsFolder(digits.length);
  const flags = ["--data", "digits.npz", "--expected", "logits.npy", "--machine", "sim"];
  const ran = await run(folder, "verify", digitsModel, ...flags);
  expect(ran).toMatchObject({ code: 0, err: "" });
  await expect(masked(ran.out)).toMatchFileSnapshot("golden/verify/digits.txt");
});

it("three digits pass them encrypted", { timeout: 120_000 }, async () => {
  const folder = digitsFolder(8);
  await run(folder, "compile", digitsModel, "-o", "digits.plan");
  const flags = ["--data", "images.npy", "--labels", "labels.csv", "--samples", "5", "--json"];
  const ran = await run(folder, "verify", "digits.plan", ...flags);
  expect([ran.code, ran.err]).toEqual([0, ""]);
  const json = JSON.parse(ran.out);
  expect(Object.keys(json)).toEqual([
    "format",
    "version",
    "met",
    "samples",
    "gates",
    "model",
    "planId",
    "insecure",
    "machine",
  ]);
  expect(json).toMatchObject({
    format: "sealwright-verification",
    version: 1,
    met: true,
    samples: { read: 5, answered: 5, refused: [], outside: [] },
    machine: "seal",
  });
  const { import: imported, compile, he, task } = json.gates;
  expect(imported.verdict).toBe("skipped");
  expect(compile).toMatchObject({ verdict: "met", samples: 5, limitBits: 40, overflows: 0 });
  expect(compile.bits).toBeGreaterThan(40);
  expect(he).toMatchObject({ verdict: "met", samples: 3, failed: 0 });
  const [logits] = he.values;
  expect(logits.bits).toBeGreaterThan(logits.predictedBits);
  expect(logits.meanBits).toBeGreaterThan(logits.bits);
  expect(task).toMatchObject({
    verdict: "met",
    output: "logits",
    samples: 5,
    agree: 5,
    decided: { samples: 5, agree: 5 },
    encrypted: { samples: 3, agree: 3 },
    accuracy: { network: 5, plan: 5 },
    loss: 0,
    maxLoss: 1,
  });
});

it("expected outputs of other data end with exit code 8 and the report (SW871)", async () => {
  const folder = digitsFolder(3);
  const rows = expected.slice(1, 4).flatMap((one) => [...one]);
  writeFileSync(join(folder, "others.npy"), writeNpy(tensor([3, 10], rows)));
  const flags = ["--data", "images.npy", "--expected", "others.npy", "--machine", "sim"];
  const ran = await run(folder, "verify", digitsModel, ...flags);
  expect([ran.code, ran.err]).toEqual([8, expect.stringContaining("error[SW871]: the network as it was read is off")]);
  expect(ran.out).toMatch(/^gate/);
  expect(ran.out).toContain("missed");
});

it("a poor fit misses the task gate (SW874), and the samples outside it are told (SW234)", {
  timeout: 60_000,
}, async () => {
  const folder = stepsFolder("polynomial(degree = 4)", 1.5, 0.5, -0.25, 1, 1, -1, 1, 0.2, -0.9, 1.5, 0, -1, -1);
  const ran = await run(folder, "verify", "steps.hen", "--data", "x.npy", "--machine", "sim");
  expect([ran.code, ran.err]).toEqual([8, expect.stringContaining("error[SW874]: the plan gives 20 % of the samples")]);
  await expect(masked(ran.out)).toMatchFileSnapshot("golden/verify/poor-fit.txt");
  const lossy = ["--data", "x.npy", "--machine", "sim", "--max-loss", "20", "--json"];
  const allowed = await run(folder, "verify", "steps.hen", ...lossy);
  expect([allowed.code, allowed.err]).toEqual([0, ""]);
  const { samples, gates } = JSON.parse(allowed.out);
  expect(samples).toMatchObject({
    read: 6,
    answered: 5,
    refused: [{ id: "SW843", samples: 1, first: { place: { path: "x.npy", part: "sample 5" } } }],
    outside: [{ id: "SW234", layer: "h", function: "relu", range: [-1.5, 1.5], samples: 2, indices: [2, 3] }],
  });
  expect(gates.compile).toMatchObject({ verdict: "met", samples: 3, loss: { by: ["polynomials"] } });

  // The plan alone does not hold its polynomials, so what they lose is measured and no more.
  await run(folder, "compile", "steps.hen");
  const plan = await run(folder, "verify", "steps.plan", ...lossy);
  expect(JSON.parse(plan.out).gates.compile).toEqual({ ...gates.compile, verdict: "measured", bits: undefined });
});

it("values outside declared ranges are moved to the ends on demand", { timeout: 60_000 }, async () => {
  const folder = stepsFolder("client", 4, 1.5, 0, 0.5, -2);
  const refused = await run(folder, "verify", "steps.hen", "--data", "x.npy", "--machine", "sim");
  expect([refused.code, refused.out, refused.err]).toEqual([3, "", expect.stringContaining("SW875")]);
  const clamped = await run(folder, "verify", "steps.hen", "--data", "x.npy", "--machine", "sim", "--clamp", "--json");
  expect(JSON.parse(clamped.out)).toMatchObject({ met: true, samples: { read: 2, answered: 2, refused: [] } });
});

it.for([{ set: [] }, { set: ["--set", "blind=true"] }])(
  "client steps are judged round by round $set",
  { timeout: 120_000 },
  async ({ set }) => {
    const folder = stepsFolder("client", 4, 0.5, -0.25, 1, 1, -1, 0.5);
    const ran = await run(folder, "verify", "steps.hen", "--data", "x.npy", "--encrypted", "2", ...set, "--json");
    expect([ran.code, ran.err]).toEqual([0, expect.not.stringContaining("error")]);
    const { he, compile } = JSON.parse(ran.out).gates;
    expect(compile).toMatchObject({ verdict: "met", samples: 3 });
    expect(he).toMatchObject({ verdict: "met", samples: 2 });
    expect(he.values.map(({ name, round }: { name: string; round: number }) => [name, round])).toEqual([
      ["h.dense", 1],
      ["y", 2],
    ]);
  },
);

it("values a client computes outside the ranges of the plan are counted like those it is given", {
  timeout: 60_000,
}, async () => {
  const folder = stepsFolder("client", 1.5, 0.5, -1, 0.25, 0.25);
  const ran = await run(folder, "verify", "steps.hen", "--data", "x.npy", "--machine", "sim", "--clamp", "--json");
  expect(JSON.parse(ran.out).samples).toMatchObject({ read: 2, answered: 1, refused: [{ id: "SW843", samples: 1 }] });
});

it("a plan that is the client's alone encrypts nothing", async () => {
  const folder = stepsFolder("client", 4, 0.5, -0.25);
  const alone = "network alone {\n  input x: [2] in -1 .. 1\n  output y = relu(x)\n}\n";
  writeFileSync(join(folder, "alone.hen"), `${alone}target seal {\n  activation relu = client\n}\n`);
  const ran = await run(folder, "verify", "alone.hen", "--data", "x.npy", "--json");
  expect(JSON.parse(ran.out)).toMatchObject({ met: true, gates: { he: { verdict: "skipped" } } });
});

it("labels and expected outputs must belong to the data", async () => {
  const folder = digitsFolder(4);
  const failing = async (...flags: string[]) => {
    const { code, out, err } = await run(folder, "verify", digitsModel, "--machine", "sim", ...flags);
    expect(out).toBe("");
    return `${code} ${/SW\d+/.exec(err)?.[0]}`;
  };
  const save = (name: string, bytes: Uint8Array | string) => writeFileSync(join(folder, name), bytes);
  save("few.csv", "1,2,3");
  save("ten.csv", "1,2,3,10");
  save("hot.npz", archive({ image: imagesOf(digits.slice(0, 2)), labels: tensor([2, 10], new Float64Array(20)) }));
  const data = ["--data", "images.npy"];
  expect(await failing(...data, "--labels", "few.csv")).toBe("3 SW691");
  expect(await failing(...data, "--labels", "ten.csv")).toBe("3 SW285");
  expect(await failing(...data, "--labels", "classes")).toBe("3 SW690");
  expect(await failing("--data", "hot.npz")).toBe("3 SW286");
  expect(await failing(...data, ...data, "--expected", "logits.npy")).toBe("3 SW691");
  expect(await failing(...data, "--expected", "images.npy")).toBe("3 SW687");
  expect(await failing(...data, "--max-loss", "101")).toBe("2 SW901");
  expect(await failing("--data", "none.npy")).toBe("3 SW910");
});

it("labels may have another name, in the data or in a file of their own", async () => {
  const folder = digitsFolder(4);
  const some = digits.slice(0, 4);
  writeFileSync(join(folder, "named.npz"), archive({ image: imagesOf(some), which: labelsOf(some) }));
  writeFileSync(join(folder, "which.npy"), writeNpy(labelsOf(some)));
  for (const flags of [
    ["--data", "named.npz", "--labels", "which"],
    ["--data", "images.npy", "--labels", "which.npy"],
  ]) {
    const { out } = await run(folder, "verify", digitsModel, "--machine", "sim", ...flags, "--json");
    expect(JSON.parse(out).gates.task.accuracy).toMatchObject({ network: 4, plan: 4 });
  }
});
