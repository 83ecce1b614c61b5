// The real child, except that every one but the first to time anything dies instead. The file that the environment names remembers.
import { existsSync, writeFileSync } from "node:fs";
import process from "node:process";

await import("../../../dist/hosts/node-child.js");
const counter = process.env["SLIMBENCH_TEST_COUNTER"];
process.on("message", (request) => {
  if (request.kind !== "time") return;
  if (existsSync(counter)) process.kill(process.pid, "SIGSEGV");
  writeFileSync(counter, "");
});
