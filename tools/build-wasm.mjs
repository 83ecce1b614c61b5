/**
 * Compiles the AssemblyScript kernels to build/wasm/, a module for each set of instructions that a host may offer. Plain Node, so that a
 * fresh clone can build before anything else is compiled. No managed run-time: kernels work on raw pointers into memory that the host owns.
 */
import { mkdir } from "node:fs/promises";
import process from "node:process";
import { URL, fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const MODULES = [
  { entry: "index.ts", file: "kernels.wasm", features: ["simd"] },
  { entry: "relaxed/index.ts", file: "relaxed.wasm", features: ["simd", "relaxed-simd"] },
  { entry: "scalar/index.ts", file: "scalar.wasm", features: [] },
];

const root = fileURLToPath(new URL("..", import.meta.url));
await mkdir(new URL("../build/wasm/", import.meta.url), { recursive: true });
for (const { entry, file, features } of MODULES) {
  const { error, stderr } = await asc.main([
    `src/engines/wasm/assembly/${entry}`,
    ...["--baseDir", root, "--outFile", `build/wasm/${file}`],
    ...["-O3", "--runtime", "stub", "--importMemory", "--noExportMemory", "--noAssert"],
    ...features.flatMap((feature) => ["--enable", feature]),
    ...["112", "201"].flatMap((warning) => ["--disableWarning", warning]),
  ]);
  process.stderr.write(stderr.toString());
  if (error) {
    process.stderr.write(`build-wasm: ${file}: ${error.message}\n`);
    process.exitCode = 1;
  }
}
