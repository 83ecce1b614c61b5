/** The `key=value` options of a wasm target, checked. */
import { UsageError } from "../../errors.ts";
import { parseForced } from "../candidates.ts";
import type { EngineOptions } from "../engine.ts";
import type { Selection } from "./program.ts";

export interface WasmOptions {
  readonly threads: number;
  readonly simd: boolean;
  /** `auto`: kernels of relaxed SIMD are candidates where the host has it; `on`: it must have it. */
  readonly relaxed: "auto" | "on" | "off";
  readonly sparse: Selection["sparse"];
  readonly coded: Selection["coded"];
  /** Kernels to run with wherever they can execute a layer. */
  readonly kernel: readonly string[];
}

const PARSERS: { readonly [K in keyof WasmOptions]: (value: string) => WasmOptions[K] } = {
  threads: (value) => {
    if (!/^[1-9][0-9]*$/.test(value)) throw badValue("threads", value, "a count");
    return Number(value);
  },
  simd: (value) => oneOf("simd", value, ["on", "off"]) === "on",
  relaxed: (value) => oneOf("relaxed", value, ["auto", "on", "off"]),
  sparse: (value) => oneOf("sparse", value, ["auto", "on", "off"]),
  coded: (value) => oneOf("coded", value, ["auto", "on", "off"]),
  kernel: (value) => parseForced("wasm", value),
};

/** @throws UsageError for unknown keys and values, and for values that exclude each other */
export function parseOptions(options: EngineOptions): WasmOptions {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(PARSERS, key)) {
      throw new UsageError(`target wasm: unknown option, got "${key}", expected one of ${Object.keys(PARSERS).join(", ")}`);
    }
  }
  const parsed: WasmOptions = {
    threads: PARSERS.threads(options["threads"] ?? "1"),
    simd: PARSERS.simd(options["simd"] ?? "on"),
    relaxed: PARSERS.relaxed(options["relaxed"] ?? "auto"),
    sparse: PARSERS.sparse(options["sparse"] ?? "auto"),
    coded: PARSERS.coded(options["coded"] ?? "auto"),
    kernel: parseForced("wasm", options["kernel"]),
  };
  if (!parsed.simd && parsed.relaxed === "on") throw new UsageError("target wasm: relaxed=on needs simd=on, got simd=off");
  return parsed;
}

function oneOf<T extends string>(key: string, value: string, allowed: readonly T[]): T {
  const match = allowed.find((word) => word === value);
  if (match === undefined) throw badValue(key, value, allowed.join(" or "));
  return match;
}

function badValue(key: string, value: string, expected: string): UsageError {
  return new UsageError(`target wasm: bad value of option ${key}, got "${value}", expected ${expected}`);
}
