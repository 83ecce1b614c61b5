/** A place where cases run: a Node process or a page in Chromium. */
import type { CaseResult } from "./contest.ts";
import type { PeerCase } from "./case.ts";

export interface Host {
  readonly name: string;
  /** What runs there: versions, features. */
  readonly environment: Readonly<Record<string, string>>;
  run(one: PeerCase): Promise<CaseResult>;
  close(): Promise<void>;
}

/** Where runtimes keep the files that they load themselves, by folder name of `node_modules`. */
export const PEER_FILES = {
  "onnxruntime-web": "onnxruntime-web/dist",
  litert: "@litertjs/core/wasm",
  "tfjs-tflite": "@tensorflow/tfjs-tflite/wasm",
} as const;

/** Packages whose versions a result states. */
export const PEER_PACKAGES = ["onnxruntime-web", "onnxruntime-node", "@litertjs/core", "@tensorflow/tfjs-tflite"] as const;
