/**
 * Compiles the AssemblyScript kernels to build/wasm/kernels.wasm. Plain Node, so that a fresh clone can build before anything else is
 * compiled. No managed run-time: kernels work on raw pointers into memory that the host owns.
 */
import { mkdir } from "node:fs/promises";
import process from "node:process";
import { URL, fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));
await mkdir(new URL("../build/wasm/", import.meta.url), { recursive: true });
const { error, stderr } = await asc.main([
  "src/engines/wasm/assembly/index.ts",
  ...["--baseDir", root, "--outFile", "build/wasm/kernels.wasm"],
  ...[
    "-O3",
    "--runtime",
    "stub",
    "--importMemory",
    "--noExportMemory",
    "--noAssert",
    "--enable",
    "simd",
    "--disableWarning",
    "112",
    "--disableWarning",
    "201",
  ],
]);
process.stderr.write(stderr.toString());
if (error) {
  process.stderr.write(`build-wasm: ${error.message}\n`);
  process.exitCode = 1;
}
