/** The Node host: a process of its own that holds every runtime and answers one case after the other over its IPC channel. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import type { EngineOptions } from "../../src/engines/engine.ts";
import type { PeerCase } from "./case.ts";
import { runContest, type CaseResult } from "./contest.ts";
import { PEER_FILES } from "./host.ts";
import { defineWorkerGlobals, runScript, withoutSharedMemory } from "./node-scripts.ts";
import { litertPeer } from "./peer-litert.ts";
import { ortPeer } from "./peer-ort.ts";
import { oursPeer } from "./peer-ours.ts";
import { tfjsTflitePeer, type TfliteClient } from "./peer-tfjs-tflite.ts";
import { lazyPeer, type Peer } from "./peer.ts";
import type { RoundSettings } from "./rounds.ts";

/** From the parent. */
export interface Request {
  readonly one: PeerCase;
  readonly folder: string;
  readonly settings: RoundSettings;
  readonly options: EngineOptions;
}

/** To the parent. */
export type Answer = { readonly result: CaseResult } | { readonly error: string };

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

let peers: readonly Peer[] | undefined;

/** ONNX Runtime first: it must not see the globals that the TFLite runtimes need. */
function listPeers(options: EngineOptions): readonly Peer[] {
  return [
    oursPeer(wasmEngine, { readAsset: (path) => readFile(root(path)), now: () => performance.now() }, options),
    lazyPeer("onnxruntime-web", "onnx", async () => {
      const ort = await import("onnxruntime-web");
      ort.env.wasm.numThreads = 1;
      return ortPeer("onnxruntime-web", ort, "wasm");
    }),
    lazyPeer("litert", "tflite", async () => {
      defineWorkerGlobals();
      const litert = await import("@litertjs/core");
      await litert.loadLiteRt(root(`node_modules/${PEER_FILES.litert}/`));
      return litertPeer(litert, "wasm");
    }),
    lazyPeer("tfjs-tflite", "tflite", async () => {
      defineWorkerGlobals();
      const folder = root(`node_modules/${PEER_FILES["tfjs-tflite"]}/`);
      // With shared memory it would load its threaded build, whose workers start from blobs, which Node's do not.
      return withoutSharedMemory(async () => {
        runScript(`${folder}tflite_web_api_client.js`);
        const { tfweb } = globalThis as unknown as { readonly tfweb: TfliteClient };
        tfweb.tflite_web_api.setWasmPath(folder);
        await tfweb.tflite_web_api.getWasmFeatures();
        return tfjsTflitePeer(tfweb);
      });
    }),
    lazyPeer("onnxruntime-node", "onnx", async () => ortPeer("onnxruntime-node", await import("onnxruntime-node"), "cpu")),
  ];
}

async function answer({ one, folder, settings, options }: Request): Promise<Answer> {
  try {
    peers ??= listPeers(options);
    return { result: await runContest(one, peers, (file) => readFile(join(folder, file)), settings) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on("message", (request: Request) => {
  void answer(request).then((reply) => process.send!(reply));
});
process.on("disconnect", () => process.exit(0));
