/** Golden and generated op cases on the WASM engine. */
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { describeVectors } from "../vectors.ts";
import { context } from "./context.ts";

describeVectors("wasm", wasmEngine, context);
