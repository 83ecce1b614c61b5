/**
 * Order of test files: the longest first, or a worker idles while the other ends the last of them. Vitest knows durations from its cache; on
 * a bare machine it goes by size, and a file of ten lines may run every op on a software GPU.
 */
import { relative } from "node:path";
import { BaseSequencer } from "vitest/node";
import type { TestSpecification } from "vitest/node";

/** Files of more than about 20 s on two quiet cores (2026-11-30), longest first. One that is missing here only starts later. */
export const SLOW_FILES: readonly string[] = [
  "test/engines/webgpu/shaders.test.ts",
  "test/cli/bench.test.ts",
  "test/engines/webgpu/residual.test.ts",
  "test/browser/vectors.test.ts",
  "test/compress/oracle.test.ts",
  "test/engines/webgpu/candidates.test.ts",
  "test/engines/webgpu/tiles.test.ts",
  "test/engines/webgpu/coded.test.ts",
  "test/engines/webgpu/variants.test.ts",
  "test/cli/study.test.ts",
  "test/engines/webgpu/vectors.test.ts",
  "test/cli/usage.test.ts",
  "test/engines/wasm/threads.test.ts",
  "test/hosts/browser/host.test.ts",
  "test/harness/run.test.ts",
  "test/cli/profile.test.ts",
  "test/engines/webgpu/sparse.test.ts",
];

/** Paths with the slow ones first, in the order of `SLOW_FILES`; the others stay in theirs. */
export function slowFirst<T>(files: readonly T[], pathOf: (file: T) => string): T[] {
  const ranks = new Map(SLOW_FILES.map((path, i) => [path, i]));
  const rank = (file: T): number => ranks.get(pathOf(file)) ?? SLOW_FILES.length;
  return [...files].sort((a, b) => rank(a) - rank(b));
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return slowFirst(sorted, ({ moduleId }) => relative(this.ctx.config.root, moduleId).replaceAll("\\", "/"));
  }
}
