/** The structure of src/ as docs/architecture.md states it: imports follow the data, nothing imports in a circle, files stay readable. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const SRC = new URL("../src", import.meta.url).pathname;

/** Folder → folders that it may import from, besides itself and the files directly under src/. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // The library's entry, src/index.ts.
  "": ["compress", "graph", "formats", "engines", "harness"],
  graph: [],
  kernels: ["graph"],
  stats: [],
  data: ["graph"],
  train: ["graph", "formats", "data"],
  formats: ["graph"],
  compress: ["graph", "formats", "data"],
  engines: ["graph", "kernels", "stats"],
  results: ["stats"],
  hosts: ["graph", "data", "engines", "stats"],
  harness: ["graph", "formats", "data", "compress", "engines", "hosts", "kernels", "stats", "results"],
  study: ["graph", "data", "compress", "engines", "hosts", "harness", "stats", "results"],
  report: ["stats", "results"],
  web: ["data", "engines", "hosts", "harness", "graph", "stats", "results", "report"],
  cli: ["graph", "formats", "data", "compress", "engines", "hosts", "harness", "kernels", "stats", "results", "study", "report"],
};

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "assembly" ? [] : sources(path);
    return path.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1] ?? "");
  return found.filter((target) => target.endsWith(".ts")).map((target) => join(dirname(path), target));
}

const files = sources(SRC);
const graph = new Map(files.map((path) => [path, importsOf(path)]));
const folderOf = (path: string): string => relative(SRC, path).split("/").slice(0, -1)[0] ?? "";

describe("structure", () => {
  it("finds the sources", () => {
    expect(files.length).toBeGreaterThan(50);
  });

  it("imports follow the data flow", () => {
    const against: string[] = [];
    for (const [path, targets] of graph) {
      const from = folderOf(path);
      for (const target of targets) {
        const to = folderOf(target);
        if (to === "" || to === from || MAY_IMPORT[from]?.includes(to)) continue;
        against.push(`${relative(SRC, path)} → ${relative(SRC, target)}`);
      }
    }
    expect(against).toEqual([]);
  });

  it("has no import cycle", () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].map((p) => relative(SRC, p)).join(" → "));
        return;
      }
      if (done.has(path)) return;
      for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const path of files) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it("keeps every file at 500 lines or fewer", () => {
    const long = files.filter((path) => readFileSync(path, "utf8").split("\n").length > 500).map((path) => relative(SRC, path));
    expect(long).toEqual([]);
  });
});
