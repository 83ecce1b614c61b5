/**
 * Writes src/engines/wasm/assembly/gen/: register tiles that AssemblyScript, having neither macros nor unrolling, needs spelled out.
 * The build runs it before it compiles, so the output is not committed. By hand, to read it: `npx tsx tools/generate-wasm.ts`.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { generatedFiles } from "./wasm-gen/files.ts";

const folder = new URL("../src/engines/wasm/assembly/gen/", import.meta.url);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, text] of generatedFiles()) writeFileSync(new URL(name, folder), text);
