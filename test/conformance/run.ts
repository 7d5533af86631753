/**
 * `npm run conformance -- FOLDER...`: runs ONNX backend tests (`NAME/model.onnx` with `test_data_set_K` beside it) through
 * import and float evaluation, and small ones with encrypted inputs through compilation and the plan on numbers.
 *
 *     npm run conformance -- path/to/node              a folder of models, or one model's folder
 *     npm run conformance -- path/to/node --only conv  models whose name contains a text
 *     npm run conformance -- path/to/node --quiet      the table only
 */
import { parseArgs } from "node:util";
import { casesIn } from "./cases.ts";
import { type Checked, checkCase } from "./check.ts";
import { isWrong, reportLines, reportTable } from "./report.ts";

const { values: flags, positionals: folders } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, quiet: { type: "boolean" }, "no-plans": { type: "boolean" } },
});

if (folders.length === 0) {
  console.error("give a folder of ONNX backend tests, for instance onnx/backend/test/data/node of the ONNX repository");
  process.exitCode = 2;
} else {
  const cases = folders.flatMap(casesIn).filter(({ name }) => name.includes(flags.only ?? ""));
  const checked: Checked[] = [];
  for (const [i, testCase] of cases.entries()) {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${i + 1}/${cases.length} ${testCase.name}`);
    checked.push(await checkCase(testCase, { compile: !flags["no-plans"] }));
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  if (!flags.quiet) for (const line of reportLines(checked)) console.log(line);
  process.stdout.write(`\n${reportTable(checked)}\n`);
  const count = (of: (c: Checked) => boolean) => checked.filter(of).length;
  console.log(
    `${checked.length} models: ${count((c) => c.float.is === "passed")} passed, ${count((c) => c.float.is === "refused")} refused, ` +
      `${count(isWrong)} failed; ${count((c) => c.plan?.is === "passed")} plans passed, ${count((c) => c.plan?.is === "refused")} refused`,
  );
  if (checked.some(isWrong)) process.exitCode = 1;
}
