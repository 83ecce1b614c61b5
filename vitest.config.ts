import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/setup/order.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Finds the GPU before workers start: a driver's library path counts only at the start of a process.
    globalSetup: ["test/setup/gpu.ts"],
    // Real models, child processes and a software GPU: generous limits, so that a slow machine fails on wrong results only.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
});
