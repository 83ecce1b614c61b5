/**
 * The far side of the protocol in a browser: a dedicated worker, since a page's own thread may not wait (threads need that) and is
 * throttled with the page. Talks to the tool over a WebSocket, or to the page that somebody opened by hand; reads models, data, kernels
 * and shaders from the page's server.
 */
import type { Dataset } from "../../data/dataset.ts";
import { checkDataSize, datasetOf, parseHeader } from "../../data/header.ts";
import type { EngineContext } from "../../engines/engine.ts";
import { FormatError, UnavailableError } from "../../errors.ts";
import { Agent } from "../agent.ts";
import { FarStore, isStoreAnswer } from "../far-store.ts";
import type { StoreAnswer } from "../far-store.ts";
import { toWireError } from "../protocol.ts";
import type { PageWatch, Reply, Request } from "../protocol.ts";
import { median } from "../../stats/describe.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import { askPage, listenToPage, tellPage } from "./ask.ts";
import { DRIVEN } from "./channel.ts";
import { pageThreads } from "./threads.ts";

/** What we use of a dedicated worker's scope; TypeScript knows either a page's globals or a worker's. */
interface WorkerScope {
  readonly location: Location;
  readonly crossOriginIsolated: boolean;
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

const assets = new Map<string, Promise<Uint8Array>>();

/** Once a page: where several models are opened, they read the same kernels. */
function readAsset(path: string): Promise<Uint8Array> {
  const known = assets.get(path) ?? fetchBytes(`asset/${path}`, path);
  assets.set(path, known);
  return known;
}

function openContext(withGpu: boolean): Promise<EngineContext> {
  const base: EngineContext = {
    readAsset,
    now: () => performance.now(),
    threads: pageThreads(),
    createCanvas: () => new OffscreenCanvas(1, 1),
  };
  if (!withGpu) return Promise.resolve(base);
  // Types say that every browser has it.
  const gpu = navigator.gpu as GPU | undefined;
  if (gpu === undefined) {
    // Browsers hide it from pages that came over an open connection.
    throw isSecureContext
      ? new UnavailableError("no-webgpu", "webgpu: this browser has no WebGPU", "Use one that has, such as Chrome 113 or newer")
      : new UnavailableError(
          "not-secure",
          `webgpu: browsers offer it to secure pages only, got ${scope.location.origin}`,
          "Open the page by https, or by http://127.0.0.1 through a forwarded port",
        );
  }
  return Promise.resolve({ ...base, gpu });
}

const driven = scope.location.search === `?${DRIVEN}`;
let current = 0;
let send: (reply: Reply) => void = (reply) => tellPage({ kind: "reply", reply });
/** Milliseconds that timers took which were to ring at once, since the watch began. */
let waits: number[] = [];

/** Present once a program drives the page: one that runs by hand has nobody to keep measurements. */
let farStore: FarStore | undefined;

const agent = new Agent({
  context: openContext,
  readFile,
  readDataset,
  tuningStore: () => farStore?.open(),
  memory: async () => {
    collect?.();
    // A driver reads the heap itself.
    const jsHeapBytes = driven ? undefined : await askPage("memory");
    return jsHeapBytes === undefined ? {} : { jsHeapBytes };
  },
  watch: async () => {
    waits = [];
    await askPage("watch-begin");
    return async (): Promise<PageWatch> => {
      const watch = await askPage("watch-end");
      return waits.length === 0 ? watch : { ...watch, workerWaitMs: median(waits) };
    };
  },
  flags: [],
  progress: (progress) => {
    tellPage({ kind: "status", text: `${progress.phase}, ${Math.round(100 * progress.fraction)} %` });
    send({ id: current, type: "progress", progress });
  },
  breathe: async () => {
    const begin = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 0));
    waits.push(performance.now() - begin);
  },
});

async function answer(request: Request): Promise<void> {
  current = request.id;
  tellPage({ kind: "status", text: request.kind });
  try {
    send({ id: request.id, type: "result", result: await agent.handle(request.kind, request.args) });
  } catch (error) {
    send({ id: request.id, type: "error", error: toWireError(error) });
  }
}

let queue = Promise.resolve();
function enqueue(request: Request): void {
  queue = queue.then(() => answer(request));
}

listenToPage(enqueue);
if (driven) connect();

function connect(): void {
  const url = new URL("socket", scope.location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  send = (reply) => socket.send(encodeMessage(reply));
  const store = new FarStore((question) => socket.send(encodeMessage(question)));
  farStore = store;
  socket.onopen = () => {
    const hello = { type: "hello", crossOriginIsolated: scope.crossOriginIsolated, userAgent: navigator.userAgent };
    socket.send(encodeMessage(hello));
  };
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const message = decodeMessage(new Uint8Array(data)) as Request | StoreAnswer;
    if (isStoreAnswer(message)) store.receive(message);
    else enqueue(message);
  };
  socket.onclose = () => agent.dispose();
}
