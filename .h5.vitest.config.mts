import { defineConfig } from "vitest/config";
export default defineConfig({ root: "/work/main", test: { include: ["test/engines/webgpu/**/*.test.ts", "test/hosts/gpu*.test.ts","test/hosts/swiftshader.test.ts"], globalSetup: ["/work/main/test/setup/gpu.ts"], testTimeout: 120000, hookTimeout: 120000, pool: "forks", maxWorkers: 1 } });
