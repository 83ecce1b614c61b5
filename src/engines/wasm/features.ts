/**
 * What the host's WebAssembly offers beyond plain SIMD, and therefore which kernels a session may choose from. Relaxed SIMD lets results
 * differ between processors, and compilers have got them wrong, so it is probed by what it computes: once a process, often enough for the
 * compiler to replace its first code by optimized code, and once more for every session.
 */
import { invariant } from "../../errors.ts";
import { webAssembly } from "./api.ts";
import { LaneProbe, dotExpectations, maddExpectations } from "./probe/lanes.ts";
import type { DotBehaviour, LaneFunction, Lanes, MaddBehaviour } from "./probe/lanes.ts";
import { NAN_MODULE, RELAXED_MODULE, SIMD_MODULE } from "./probe/modules.ts";

/**
 * `relaxed-madd`: multiply-add as one instruction. `relaxed-dot`: the 8-bit dot product, exact for unsigned × signed. `wide-tiles`: the
 * compiler keeps the accumulators of a 6×8 tile in registers.
 */
export type Feature = "relaxed-madd" | "relaxed-dot" | "wide-tiles";

export const NO_FEATURES: ReadonlySet<Feature> = new Set();

/** What the probes found. */
export interface HostFeatures {
  readonly simd: boolean;
  /** Relaxed SIMD is there and its compiler trusted. */
  readonly relaxed: boolean;
  readonly dot: DotBehaviour | "none";
  readonly madd: MaddBehaviour | "none";
  /** Memory that threads can share. */
  readonly sharedMemory: boolean;
  /** A guess: x86 makes the NaN of ∞ - ∞ negative. */
  readonly x86: boolean;
  readonly features: ReadonlySet<Feature>;
}

/**
 * V8 11.3 (Node 20, with its flag for relaxed SIMD) gets dot products wrong in baseline code only, depending on how registers happen to be
 * assigned, which no probe can rule out.
 */
const FIRST_TRUSTED_V8 = 12;
/** 6×8 multiply-add tile: 57 GFLOP/s on V8 13.6, 24 on V8 12.4, where the 4×8 tile has 49 (x64, 2026-11). */
const FIRST_WIDE_V8 = 13;
/** V8 replaces baseline code after it ran some 10 MB of instructions: 256 vectors × some 50 bytes a round. */
const ROUNDS = 1200;

/** What the probe needs of the JavaScript engine; tests give their own. */
export interface ProbeHost {
  readonly simd: boolean;
  /** Major version of V8; undefined in another engine. */
  readonly v8: number | undefined;
  /** The relaxed instructions; undefined where they do not validate. */
  readonly lanes: () => Promise<Lanes | undefined>;
  readonly sharedMemory: boolean;
  readonly x86: () => Promise<boolean>;
}

export class FeatureProbe {
  readonly #host: ProbeHost;
  readonly #x86: boolean;
  readonly #dot: LaneProbe<DotBehaviour> | undefined;
  readonly #madd: LaneProbe<MaddBehaviour> | undefined;

  private constructor(host: ProbeHost, lanes: Lanes | undefined, x86: boolean) {
    this.#host = host;
    this.#x86 = x86;
    if (lanes === undefined) return;
    this.#dot = new LaneProbe(lanes.buffer, lanes.dot, dotExpectations());
    this.#madd = new LaneProbe(lanes.buffer, lanes.madd, maddExpectations());
    this.#dot.check(ROUNDS);
    this.#madd.check(ROUNDS);
  }

  static async create(host: ProbeHost): Promise<FeatureProbe> {
    const isTrusted = host.v8 === undefined || host.v8 >= FIRST_TRUSTED_V8;
    return new FeatureProbe(host, host.simd && isTrusted ? await host.lanes() : undefined, await host.x86());
  }

  /** Checks again, and says what is left. */
  current(): HostFeatures {
    this.#dot?.check(1);
    this.#madd?.check(1);
    const { simd, sharedMemory, v8 = 0 } = this.#host;
    const dot = this.#dot?.behaviour ?? "none";
    const madd = this.#madd?.behaviour ?? "none";
    const features = new Set<Feature>();
    if (madd !== "none") features.add("relaxed-madd");
    if (dot === "exact") features.add("relaxed-dot");
    if (features.size > 0 && v8 >= FIRST_WIDE_V8) features.add("wide-tiles");
    return { simd, relaxed: this.#dot !== undefined, dot, madd, sharedMemory, x86: this.#x86, features };
  }
}

let probe: Promise<FeatureProbe> | undefined;

/** Features of this process. */
export async function hostFeatures(): Promise<HostFeatures> {
  probe ??= FeatureProbe.create({
    simd: webAssembly?.validate(SIMD_MODULE) === true,
    v8: v8Major(),
    lanes: relaxedLanes,
    sharedMemory: hasSharedMemory(),
    x86: isX86,
  });
  return (await probe).current();
}

interface EngineGlobals {
  readonly process?: { readonly versions?: Readonly<Record<string, string>> };
  readonly navigator?: { readonly userAgent?: string };
  readonly SharedArrayBuffer?: unknown;
  readonly Atomics?: unknown;
}
const globals = globalThis as unknown as EngineGlobals;

/** Node says it; Chrome N contains V8 N / 10. */
function v8Major({ process, navigator }: EngineGlobals = globals): number | undefined {
  const v8 = process?.versions?.["v8"];
  if (v8 !== undefined) return Number.parseInt(v8, 10);
  const chrome = /Chrome\/(\d+)/.exec(navigator?.userAgent ?? "")?.[1];
  return chrome === undefined ? undefined : Math.floor(Number(chrome) / 10);
}

function hasSharedMemory(): boolean {
  return globals.SharedArrayBuffer !== undefined && globals.Atomics !== undefined;
}

async function relaxedLanes(): Promise<Lanes | undefined> {
  if (webAssembly?.validate(RELAXED_MODULE) !== true) return undefined;
  const { buffer, exports } = await instantiate(RELAXED_MODULE);
  return { buffer, dot: exports["dot"] as LaneFunction, madd: exports["madd"] as LaneFunction };
}

async function isX86(): Promise<boolean> {
  if (webAssembly === undefined) return false;
  const { exports } = await instantiate(NAN_MODULE);
  return (exports["nan"] as (x: number) => number)(Infinity) < 0;
}

interface Instantiated {
  readonly buffer: ArrayBufferLike;
  readonly exports: Readonly<Record<string, unknown>>;
}

/** @param bytes a module that imports one page of memory */
async function instantiate(bytes: Uint8Array<ArrayBuffer>): Promise<Instantiated> {
  invariant(webAssembly !== undefined, "a probe asked for where there is no WebAssembly");
  const memory = new webAssembly.Memory({ initial: 1 });
  const { exports } = new webAssembly.Instance(await webAssembly.compile(bytes), { env: { memory } });
  return { buffer: memory.buffer, exports };
}
