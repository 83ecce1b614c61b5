/** Which version of the tool this is, and from which commit. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Tool } from "../results/schema.ts";

const PACKAGE_ROOT = fileURLToPath(new URL("../../", import.meta.url));

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
