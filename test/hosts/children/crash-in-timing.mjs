// The real child, except that it dies when it should time the wasm engine.
let engine = "";
process.on("message", (request) => {
  if (request.kind === "open") engine = request.args.engine;
  if (request.kind === "time" && engine === "wasm") process.kill(process.pid, "SIGSEGV");
});
await import("../../../dist/hosts/node-child.js");
