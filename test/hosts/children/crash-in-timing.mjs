// The real child, except that it dies when it should time the wasm engine. Listening starts after the real one does: the first
// listener opens the channel, and messages that come before the second would be lost on it.
import process from "node:process";

await import("../../../dist/hosts/node-child.js");
let engine = "";
process.on("message", (request) => {
  if (request.kind === "open") engine = request.args.engine;
  if (request.kind === "time" && engine === "wasm") process.kill(process.pid, "SIGSEGV");
});
