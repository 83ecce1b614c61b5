/** Where a run took place: what makes two results comparable. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { ProbeResult } from "../engines/engine.ts";
import { CHILD_FLAGS } from "../hosts/node.ts";
import type { Environment, Tool } from "../results/schema.ts";

const PACKAGE_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** @param probes target text → what its engine's probe said */
export function readEnvironment(probes: ReadonlyMap<string, ProbeResult>): Environment {
  const engines: Record<string, NonNullable<Environment["engines"]>[string]> = {};
  for (const [target, { available, software, facts }] of probes) {
    engines[target] = { available, ...(software === undefined ? {} : { software }), facts };
  }
  const environment = {
    node: process.version,
    v8: process.versions.v8,
    platform: process.platform,
    arch: process.arch,
    osRelease: release(),
    cpuModel: cpus()[0]?.model.trim() ?? "unknown",
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
    engines,
    /** Switches of the child processes. */
    nodeFlags: CHILD_FLAGS.join(" "),
  };
  return environment;
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string };
  return version;
}

/** Version, and the commit where the package itself is a checkout. */
export function readTool(): Tool {
  const version = packageVersion();
  if (!existsSync(`${PACKAGE_ROOT}.git`)) return { version };
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: PACKAGE_ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return { version, commit: commit.trim() };
  } catch {
    return { version };
  }
}
