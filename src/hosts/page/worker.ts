/**
 * The far side of the protocol in a browser: a dedicated worker, since a page's own thread may not wait (threads need that) and is
 * throttled with the page. Talks to the tool over a WebSocket and reads models, data, kernels and shaders from the page's server.
 */
import type { Dataset } from "../../data/dataset.ts";
import { checkDataSize, datasetOf, parseHeader } from "../../data/header.ts";
import type { EngineContext } from "../../engines/engine.ts";
import { FormatError, UnavailableError } from "../../errors.ts";
import { Agent } from "../agent.ts";
import { toWireError } from "../protocol.ts";
import type { Reply, Request } from "../protocol.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import { pageThreads } from "./threads.ts";

/** What we use of a dedicated worker's scope; TypeScript knows either a page's globals or a worker's. */
interface WorkerScope {
  readonly location: Location;
  readonly crossOriginIsolated: boolean;
  postMessage(status: string): void;
}

const scope = globalThis as unknown as WorkerScope;
const collect = (globalThis as unknown as { readonly gc?: () => void }).gc;

async function fetchBytes(url: string, what: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new FormatError(`${what}: the page cannot read it (HTTP ${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

function readFile(name: string): Promise<Uint8Array> {
  return fetchBytes(`file?name=${encodeURIComponent(name)}`, name);
}

async function readDataset(headerPath: string): Promise<Dataset> {
  const header = parseHeader(new TextDecoder().decode(await readFile(headerPath)), headerPath);
  const data = await readFile(`${headerPath}#data`);
  checkDataSize(header, headerPath, header.data, data.length);
  return datasetOf(header, () => data);
}

function openContext(withGpu: boolean): Promise<EngineContext> {
  const base: EngineContext = {
    readAsset: (path) => fetchBytes(`asset/${path}`, path),
    now: () => performance.now(),
    threads: pageThreads(),
  };
  if (!withGpu) return Promise.resolve(base);
  // Types say that every browser has it.
  const gpu = navigator.gpu as GPU | undefined;
  if (gpu === undefined) {
    throw new UnavailableError("no-webgpu", "webgpu: this browser has no WebGPU", "Use a Chrome of version 113 or newer");
  }
  return Promise.resolve({ ...base, gpu });
}

const url = new URL("socket", scope.location.href);
url.protocol = "ws:";
const socket = new WebSocket(url);
socket.binaryType = "arraybuffer";

let current = 0;

function send(reply: Reply): void {
  socket.send(encodeMessage(reply));
}

const agent = new Agent({
  context: openContext,
  readFile,
  readDataset,
  memory: () => {
    collect?.();
    // A worker cannot read the size of its heap, nor of its process: absent rather than wrong.
    return {};
  },
  flags: [],
  progress: (progress) => {
    scope.postMessage(`${progress.phase}, ${Math.round(100 * progress.fraction)} %`);
    send({ id: current, type: "progress", progress });
  },
  breathe: () => new Promise((resolve) => setTimeout(resolve, 0)),
});

async function answer(request: Request): Promise<void> {
  current = request.id;
  scope.postMessage(request.kind);
  try {
    send({ id: request.id, type: "result", result: await agent.handle(request.kind, request.args) });
  } catch (error) {
    send({ id: request.id, type: "error", error: toWireError(error) });
  }
}

socket.onopen = () => {
  const hello = { type: "hello", crossOriginIsolated: scope.crossOriginIsolated, userAgent: navigator.userAgent };
  socket.send(encodeMessage(hello));
};
let queue = Promise.resolve();
socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
  queue = queue.then(() => answer(decodeMessage(new Uint8Array(data)) as Request));
};
socket.onclose = () => agent.dispose();
