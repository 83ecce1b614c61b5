/**
 * Import it where a test starts a browser: it brings a Vulkan driver of its own version, and finds no adapter with the one that Dawn in Node
 * is given (Chromium 156 with SwiftShader of 147, 2026-11-30).
 */
import { BEFORE } from "./gpu.ts";

const before = JSON.parse(process.env[BEFORE] ?? "{}") as Readonly<Record<string, string | null>>;
for (const [name, value] of Object.entries(before)) {
  if (value === null) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}
