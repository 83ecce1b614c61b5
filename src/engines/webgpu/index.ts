/** The WebGPU engine: every op as WGSL compute kernels, float32 and 8-bit integers, the same code in Node (Dawn) and in a browser. */
import { SlimbenchError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, Peak, ProbeResult, Session, TuneRequest } from "../engine.ts";
import type { KernelChoice, TuneReport } from "../tune/types.ts";
import { webgpuPeaks } from "./ceilings.ts";
import { acquireDevice, adapterFacts, isSoftwareAdapter, requestAdapter } from "./device.ts";
import { timestampGrid } from "./grid.ts";
import { lowerGraph } from "./lower/index.ts";
import { parseOptions } from "./options.ts";
import { measureOverhead } from "./overhead.ts";
import { WebGpuSession } from "./session.ts";
import type { ShaderReader } from "./shaders.ts";
import { tuneOnDevice } from "./tunable.ts";

function shaderReader(context: EngineContext): ShaderReader {
  const texts = new Map<string, Promise<string>>();
  return (path) => {
    let text = texts.get(path);
    if (text === undefined) {
      text = context.readAsset(`shaders/${path}`).then((bytes) => new TextDecoder().decode(bytes));
      texts.set(path, text);
    }
    return text;
  };
}

async function probe(context: EngineContext, options: EngineOptions): Promise<ProbeResult> {
  parseOptions(options);
  try {
    const adapter = await requestAdapter(context.gpu);
    // requestAdapter has just proved that there is a GPU object.
    const facts = context.gpu === undefined ? {} : adapterFacts(context.gpu, adapter);
    return { available: true, facts: { ...facts, ...(await measuredFacts(context)) }, software: isSoftwareAdapter(adapter.info) };
  } catch (error) {
    if (!(error instanceof SlimbenchError)) throw error;
    return { available: false, reason: { code: error.code, message: error.message, remedy: error.remedy }, facts: {} };
  }
}

/** What the adapter does not say of itself: the tick of its clock, and what a submission costs. */
async function measuredFacts(context: EngineContext): Promise<ProbeResult["facts"]> {
  const shared = await acquireDevice(context.gpu);
  const read = shaderReader(context);
  try {
    const timestampGridNs = await timestampGrid(shared, read);
    const overhead = await measureOverhead(shared, read, context.now);
    return { ...(timestampGridNs === undefined ? {} : { timestampGridNs }), ...overhead };
  } finally {
    shared.release();
  }
}

async function peaks(context: EngineContext, options: EngineOptions): Promise<readonly Peak[]> {
  parseOptions(options);
  const shared = await acquireDevice(context.gpu);
  try {
    return await webgpuPeaks(shared, shaderReader(context));
  } finally {
    shared.release();
  }
}

async function compile(
  graph: Graph,
  context: EngineContext,
  options: EngineOptions,
  choices: readonly KernelChoice[] = [],
): Promise<Session> {
  const parsed = parseOptions(options);
  const shared = await acquireDevice(context.gpu);
  try {
    const lowered = lowerGraph(graph, shared.facts, parsed, choices);
    return await WebGpuSession.create(graph, shared.acquire(), lowered, shaderReader(context), context.now);
  } finally {
    // The session holds a lease of its own.
    shared.release();
  }
}

async function tune(graph: Graph, context: EngineContext, options: EngineOptions, request: TuneRequest): Promise<TuneReport> {
  const parsed = parseOptions(options);
  const shared = await acquireDevice(context.gpu);
  try {
    const read = shaderReader(context);
    return await tuneOnDevice(graph, context, options, request, {
      shared,
      parsed,
      read,
      compile: (layer, choices) => compile(layer, context, options, choices),
    });
  } finally {
    shared.release();
  }
}

export const webgpuEngine: Engine = { name: "webgpu", probe, peaks, tune, compile };
