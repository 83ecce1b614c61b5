/** Compiles the training kernels (src/train/assembly) in a child process: the compiler is large, and slow under a source loader. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export function compileTrainingKernels(): Uint8Array<ArrayBuffer> {
  const compiler = fileURLToPath(new URL("../node_modules/assemblyscript/bin/asc.js", import.meta.url));
  const source = fileURLToPath(new URL("../src/train/assembly/index.ts", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "slimbench-train-"));
  try {
    const output = join(folder, "train.wasm");
    const flags = ["-O3", "--runtime", "stub", "--importMemory", "--noExportMemory", "--noAssert", "--enable", "simd"];
    execFileSync(process.execPath, [compiler, source, "--outFile", output, ...flags], { stdio: ["ignore", "inherit", "inherit"] });
    return new Uint8Array(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
