/** What runs in the page: every runtime, and one function that the host calls per case. Bundled by esbuild; files come from the server. */
import * as litert from "@litertjs/core";
import * as ort from "onnxruntime-web/wasm";
import * as ortGpu from "onnxruntime-web/webgpu";
import type { EngineContext, EngineOptions } from "../../src/engines/engine.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import { webgpuEngine } from "../../src/engines/webgpu/index.ts";
import type { Target } from "../../src/harness/target.ts";
import type { PeerCase } from "./case.ts";
import { runContest, type CaseResult } from "./contest.ts";
import { litertPeer } from "./peer-litert.ts";
import { ortPeer } from "./peer-ort.ts";
import { oursPeer } from "./peer-ours.ts";
import { tfjsTflitePeer, type TfliteClient } from "./peer-tfjs-tflite.ts";
import { lazyPeer, type Peer } from "./peer.ts";
import type { RoundSettings } from "./rounds.ts";

/** The part of a page's globals that is used here; the project compiles without the DOM's types. */
interface PageGlobals {
  readonly location: { readonly href: string };
  readonly document: { createElement(tag: "script"): PageScript; readonly body: { append(node: PageScript): void } };
  exports?: object;
  tfweb?: TfliteClient;
  runCase?: (one: PeerCase, settings: RoundSettings, target: Target) => Promise<CaseResult>;
}

interface PageScript {
  src: string;
  onload: () => void;
  onerror: () => void;
}

const page = globalThis as unknown as PageGlobals;
const base = new URL("./", page.location.href).href;

async function fetchBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(`${base}${path}`);
  if (!response.ok) throw new Error(`${path}: not served (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

function loadScript(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = page.document.createElement("script");
    script.src = `${base}${path}`;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${path}: cannot be loaded`));
    page.document.body.append(script);
  });
}

function hostContext(): EngineContext {
  const { gpu } = (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator ?? {};
  return { readAsset: (path) => fetchBytes(path), now: () => performance.now(), ...(gpu && { gpu }) };
}

/** Whoever uses the same part of the machine. */
function listPeers({ engine, options }: Target): readonly Peer[] {
  return engine === "webgpu" ? gpuPeers(options) : wasmPeers(options);
}

function gpuPeers(options: EngineOptions): readonly Peer[] {
  ortGpu.env.wasm.wasmPaths = `${base}onnxruntime-web/`;
  return [
    oursPeer(webgpuEngine, hostContext(), options),
    ortPeer("onnxruntime-web", ortGpu, "webgpu"),
    lazyPeer("litert", "tflite", async () => {
      // The build that suspends: without it, models that do not fit the GPU as a whole are run in WASM.
      await litert.loadLiteRt(`${base}litert/`, { jspi: true });
      return litertPeer(litert, "webgpu");
    }),
  ];
}

function wasmPeers(options: EngineOptions): readonly Peer[] {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = `${base}onnxruntime-web/`;
  return [
    oursPeer(wasmEngine, hostContext(), options),
    ortPeer("onnxruntime-web", ort, "wasm"),
    lazyPeer("litert", "tflite", async () => {
      await litert.loadLiteRt(`${base}litert/`);
      return litertPeer(litert, "wasm");
    }),
    lazyPeer("tfjs-tflite", "tflite", async () => {
      // The client ends with a line of CommonJS.
      page.exports = {};
      await loadScript("tfjs-tflite/tflite_web_api_client.js");
      if (page.tfweb === undefined) throw new Error("tfjs-tflite: its client defines no tfweb");
      page.tfweb.tflite_web_api.setWasmPath(`${base}tfjs-tflite/`);
      return tfjsTflitePeer(page.tfweb);
    }),
  ];
}

let peers: readonly Peer[] | undefined;
page.runCase = (one, settings, target) => {
  peers ??= listPeers(target);
  return runContest(one, peers, (file) => fetchBytes(`cases/${file}`), settings);
};
