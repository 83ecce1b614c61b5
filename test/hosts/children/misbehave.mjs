// A child that does what `engine` of the request says, none of it good; `ok` answers.
import process from "node:process";
import { setTimeout } from "node:timers";

let stubborn = false;
process.on("message", (message) => {
  if (message === "close") {
    if (!stubborn) process.exit(0);
    return;
  }
  const { id, args } = message;
  switch (args.engine) {
    case "ok":
      process.send({ id, type: "result", result: { available: true, facts: {} } });
      break;
    case "exit":
      process.exit(3);
      break;
    case "throw":
      setTimeout(() => {
        throw new TypeError("engine lost its way");
      });
      break;
    case "abort":
      process.abort();
      break;
    case "killed":
      process.kill(process.pid, "SIGKILL");
      break;
    case "silent":
      break;
    case "slow":
      // Four signs of life, each within the limit, then the answer beyond it.
      for (let i = 1; i <= 4; i++) {
        setTimeout(() => process.send({ id, type: "progress", progress: { phase: "timing", fraction: i / 4 } }), i * 1000);
      }
      setTimeout(() => process.send({ id, type: "result", result: { available: true, facts: { slow: true } } }), 4500);
      break;
    case "heap": {
      const hoard = [];
      for (;;) hoard.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
    }
    case "stubborn":
      stubborn = true;
      process.send({ id, type: "result", result: { available: true, facts: {} } });
      break;
  }
});
