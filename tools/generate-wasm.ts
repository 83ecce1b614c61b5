/**
 * Writes src/engines/wasm/assembly/gen/: register tiles that AssemblyScript, having neither macros nor unrolling, needs spelled out.
 * The output is committed; a test compares it with what this produces. Run: `npx tsx tools/generate-wasm.ts`.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { generatedFiles } from "./wasm-gen/files.ts";

const folder = new URL("../src/engines/wasm/assembly/gen/", import.meta.url);
for (const [name, text] of generatedFiles()) {
  await writeFile(new URL(name, folder), text);
  console.log(fileURLToPath(new URL(name, folder)));
}
