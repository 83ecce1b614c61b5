/**
 * Every op case, golden and generated, in a real headless browser: through the built page and its worker, as a record would run. One page an
 * engine for all cases.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compareOutputs } from "../../src/engines/tolerance.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import { serializeGraph } from "../../src/graph/serialize.ts";
import { probeTarget } from "../../src/harness/probe.ts";
import { parseTarget } from "../../src/harness/target.ts";
import { openHost } from "../../src/hosts/open.ts";
import { HostError } from "../../src/hosts/protocol.ts";
import { WEBGPU_DECLINES } from "../engines/webgpu/declines.ts";
import { allCases, loadVectors, prepareCase } from "../engines/vectors.ts";
import type { OpCase } from "../engines/vectors.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-vectors-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  /** `title: what was wrong` */
  readonly failures: readonly string[];
  readonly declined: readonly string[];
  readonly ran: number;
}

/** Cases whose files and commands are on their way to the page at once; it answers one after the other. */
const IN_FLIGHT = 16;

/** @param spoil changes outputs before they are compared: the test of the test */
async function runAll(word: string, cases: readonly OpCase[], spoil: (data: TypedArray) => void = () => undefined): Promise<Outcome> {
  const target = parseTarget(word);
  const probe = await probeTarget(target);
  expect(probe).toMatchObject({ available: true });
  const host = await openHost(probe.place, { silenceMs: 60_000 });
  const failures: string[] = [];
  const declined: string[] = [];
  let ran = 0;
  const one = async (opCase: OpCase, slot: number): Promise<void> => {
    const { title, graph, inputs, expected, tolerance } = prepareCase(opCase);
    const graphPath = join(folder, `${slot}.graph`);
    writeFileSync(graphPath, serializeGraph(graph));
    const opened = host.request("open", { engine: target.engine, options: target.options, graphPath });
    const [failure, run] = await Promise.allSettled([opened, host.request("run", { inputs })]);
    if (failure.status === "rejected") {
      if (failure.reason instanceof HostError && failure.reason.code === "unsupported") declined.push(title);
      else failures.push(`${title}: ${String(failure.reason)}`);
      return;
    }
    if (run.status === "rejected") {
      failures.push(`${title}: ${String(run.reason)}`);
      return;
    }
    const { outputs } = run.value;
    if (outputs[0] !== undefined) spoil(outputs[0]);
    const { pass, message } = compareOutputs([expected], outputs, tolerance);
    if (!pass) failures.push(`${title}: ${message}`);
    ran++;
  };
  try {
    for (let i = 0; i < cases.length; i += IN_FLIGHT) await Promise.all(cases.slice(i, i + IN_FLIGHT).map(one));
  } finally {
    await host.close();
  }
  return { failures, declined, ran };
}

/** SwiftShader builds every pipeline on the processor that the other tests share. */
const WEBGPU_TIMEOUT_MS = 600_000;

describe("op vectors in Chrome", () => {
  it("wasm computes all of them", async () => {
    const { failures, declined, ran } = await runAll("wasm@chrome", allCases());
    expect(failures).toEqual([]);
    expect(declined).toEqual([]);
    expect(ran).toBeGreaterThan(100);
  });

  it(
    "webgpu computes all but what it may refuse",
    async () => {
      const { failures, declined, ran } = await runAll("webgpu@chrome", allCases());
      expect(failures).toEqual([]);
      expect(declined.filter((title) => !WEBGPU_DECLINES.some((start) => title.startsWith(start)))).toEqual([]);
      expect(ran).toBeGreaterThan(100);
    },
    WEBGPU_TIMEOUT_MS,
  );

  it("would notice a wrong element", async () => {
    const { failures, ran } = await runAll("cpu@chrome", loadVectors(), (data) => {
      // The bits of the first element, whatever its type.
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.BYTES_PER_ELEMENT);
      bytes.fill(0x3f ^ (bytes[0] ?? 0));
    });
    // Not all: booleans may be 1 before, and an empty output has no element.
    expect(failures.length).toBeGreaterThan(ran / 2);
  });
});
