/** `npm run conformance -- DIR [FILTER]`: ONNX's operator tests in DIR on the CPU engine; exits 1 when one fails. */
import { existsSync } from "node:fs";
import { formatCounts, listTests, readExclusions, runTest, type TestResult } from "./conformance-runner.ts";

const DEBIAN = "/usr/share/libonnx-testdata/data/node";

const folder = process.argv[2] ?? DEBIAN;
const filter = process.argv[3] ?? "";
const tests = existsSync(folder) ? listTests(folder).filter((name) => name.includes(filter)) : [];
if (tests.length === 0) {
  console.error(`${folder}: no folders with a model.onnx, expected ONNX's operator tests. Install libonnx-testdata or name their folder.`);
  process.exit(2);
}
const exclusions = readExclusions();
const results: TestResult[] = [];
for (const name of tests) results.push(await runTest(folder, name, exclusions));
for (const { name, verdict, detail } of results)
  if (verdict === "failed" || verdict === "excluded") console.log(`${verdict} ${name}: ${detail}`);
console.log(formatCounts(results));
process.exit(results.some((r) => r.verdict === "failed") ? 1 : 0);
