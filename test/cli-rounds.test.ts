import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run, temporaryFolder } from "./cli-io.ts";

const model = `network steps {
  input x: [2] in -1 .. 1
  h = relu(dense(x, weight = [[1, -2], [0.5, 1], [-1, 1]], bias = [0.25, 0, -0.5]))
  output y = dense(h, weight = [[1, 2, 3], [-1, 0.5, 1]])
}
target seal {
  precision = 8 bits
  activation relu = client
}
`;

/** What the network makes of [0.5, -0.25]: h = [1.25, 0, 0]. */
const answer = [1.25, -1.25];

it("a network with a client step is compiled, inspected and run in one process", { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "steps.hen"), model);
  fs.writeFileSync(join(folder, "x.csv"), "0.5,-0.25\n");
  const compiled = await run(folder, "compile", "steps.hen");
  expect(compiled).toMatchObject({ code: 0, out: "" });
  expect(compiled.err).toMatch(
    /^wrote steps\.plan \(.*\): 2 rounds, \d+ rotations, about .* on the server and .* end to end;/,
  );

  const shown = await run(folder, "inspect", "steps.plan");
  expect(shown.out).toContain("round 1: the 3 values of 'h.dense', before relu 'h'");
  expect(shown.out).toContain("round 2: the 2 values of 'y', the output 'y'");
  const json = JSON.parse((await run(folder, "inspect", "steps.plan", "--json")).out);
  expect(json).toMatchObject({ format: "sealwright-inspect", model: "steps", totals: { clientRounds: 2 } });
  expect(json.rounds[0]).toMatchObject({
    server: ["dense"],
    client: ["relu"],
    plan: { outputs: [{ name: "h.dense" }] },
  });

  for (const machine of ["seal", "sim", "float"]) {
    const ran = await run(folder, "run", "steps.plan", "--input", "x.csv", "--machine", machine, "--json");
    const { outputs } = JSON.parse(ran.out);
    for (const [i, value] of answer.entries()) expect(Math.abs(outputs.y.data[i] - value)).toBeLessThan(2 ** -8);
  }
});

it("what a pass leaves of a network with client steps is shown for each round", { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "steps.hen"), model);
  const plan = JSON.parse((await run(folder, "inspect", "steps.hen", "--json")).out);
  const rotations = plan.rounds.map((round: { rotations: number }) => round.rotations);
  for (const stage of ["pack", "assign-levels", "choose-keys"]) {
    const stopped = await run(folder, "inspect", "steps.hen", "--stop-after", stage, "--json");
    const { model: name, rounds } = JSON.parse(stopped.out);
    expect(name).toBe("steps");
    expect(rounds.map(({ round }: { round: number }) => round)).toEqual([1, 2]);
    expect(rounds.map(({ totals }: { totals: { rotations: number } }) => totals.rotations)).toEqual(rotations);
  }
  const shown = await run(folder, "inspect", "steps.hen", "--stop-after", "pack");
  expect(shown.out).toMatch(/^steps, round 1, after pack: \d+ rotations?[\s\S]*\nsteps, round 2, after pack: /);
  // Before it is cut, there is one network.
  const whole = await run(folder, "compile", "steps.hen", "--stop-after", "fit-activations");
  expect(whole.out.match(/^graph /gm)).toHaveLength(1);

  const printed = await run(folder, "compile", "steps.hen", "--stop-after", "prune");
  expect(printed.out).toMatch(/^# round 1\ngraph steps [\s\S]*\n# round 2\ngraph steps /);
  expect(await run(folder, "compile", "steps.hen", "--stop-after", "prune", "-o", "cut.hen")).toMatchObject({
    code: 0,
  });
  expect(fs.readdirSync(folder).filter((name) => name.endsWith(".hen"))).toEqual([
    "cut.round1.hen",
    "cut.round2.hen",
    "steps.hen",
  ]);
  expect(await run(folder, "check", "cut.round2.hen")).toMatchObject({ code: 0 });
});

it("a round on coefficients reads back from its text", { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  const weights = JSON.stringify([
    [
      [
        [1, 0.5, 0],
        [0, 1, 0],
        [0.25, 0, -1],
      ],
    ],
    [
      [
        [0, 1, 0],
        [1, 0, 0],
        [0, 0, 1],
      ],
    ],
  ]);
  const image = `network image {
  input x: [1, 8, 8] in -1 .. 1
  output y = relu(conv2d(x, weight = ${weights}, pad = 1))
}
target seal {
  precision = 8 bits
  activation relu = client
}
`;
  fs.writeFileSync(join(folder, "image.hen"), image);
  await run(folder, "compile", "image.hen", "--stop-after", "pack", "-o", "packed.hen");
  const text = fs.readFileSync(join(folder, "packed.round1.hen"), "utf8");
  expect(text).toContain("spectral = {");
  const degree = /in "(\d+) /.exec(text)![1];
  const leveled = await run(
    folder,
    "opt",
    "packed.round1.hen",
    "--pass",
    "assign-levels",
    "--set",
    `degree=${2 * Number(degree)}`,
  );
  expect(leveled).toMatchObject({ code: 0, out: expect.stringContaining("leveled [2, 8, 8] in") });
});

it("the rotation keys to choose are those of plans without client steps", async () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "steps.hen"), model);
  await run(folder, "compile", "steps.hen");
  expect(await run(folder, "inspect", "steps.plan", "--keys")).toMatchObject({ code: 2 });
});

it("a network that is the client's alone needs no keys", async () => {
  const folder = temporaryFolder();
  const alone = "network alone {\n  input x: [2] in -1 .. 1\n  output y = relu(x)\n}\n";
  fs.writeFileSync(join(folder, "alone.hen"), `${alone}target seal {\n  activation relu = client\n}\n`);
  fs.writeFileSync(join(folder, "x.csv"), "0.5,-0.25\n");
  await run(folder, "compile", "alone.hen");
  expect(await run(folder, "keygen", "alone.plan")).toMatchObject({ code: 4, err: expect.stringContaining("SW731") });
  const ran = await run(folder, "run", "alone.plan", "--input", "x.csv", "--json");
  expect(JSON.parse(ran.out).outputs.y.data).toEqual([0.5, 0]);
});

it("without its setting the same network is refused, with the way out", async () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "steps.hen"), model.replace("  activation relu = client\n", ""));
  const refused = await run(folder, "check", "steps.hen");
  expect(refused).toMatchObject({ code: 4, out: "" });
  expect(refused.err).toContain("SW223");
});

it("who computes an activation may be left open, and inspect says who does", { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  const open = model.replace("relu = client", "relu = auto").replace("-0.5]))", "-0.5]))   @range(-4, 4)");
  fs.writeFileSync(join(folder, "steps.hen"), `${open}target network {\n  mbps = 50\n  ms = 9000\n}\n`);
  const json = JSON.parse((await run(folder, "inspect", "steps.hen", "--json")).out);
  expect(json.choices.layers).toMatchObject([{ layer: "h", by: "polynomial" }]);
  expect(json.estimate.network).toEqual({ mbps: 50, ms: 9000 });
  expect(json.estimate.endToEndMilliseconds).toBeGreaterThan(9000);
  const near = ["--set", "network.ms=0", "--set", "network.mbps=100000", "--set", "activation.tolerance=0.01"];
  const shown = await run(folder, "inspect", "steps.hen", ...near);
  expect(shown.out).toMatch(/left to auto .*\nh +relu +(client|degree \d+) +with /);
  expect(shown.out).toContain("Compared end to end:");
});
