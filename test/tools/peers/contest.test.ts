/** One case against made-up runtimes: only the right ones are timed, and the reason of every other one is kept. */
import { describe, expect, it } from "vitest";
import type { PeerCase } from "../../../tools/peers/case.ts";
import { judge, middleMean, runContest } from "../../../tools/peers/contest.ts";
import { NotTaken, lazyPeer, type Peer } from "../../../tools/peers/peer.ts";
import { caseRow, markdown } from "../../../tools/peers/report.ts";

const SETTINGS = { warmMs: 1, warmMaxMs: 2, blockMs: 0.1, minRounds: 7, maxRounds: 7, budgetMs: 1 };
const EXPECTED = Float32Array.of(1, 2, 4);

const bytesOf = (data: Float32Array): Uint8Array => new Uint8Array(data.buffer);
const FILES: Readonly<Record<string, Uint8Array>> = {
  model: Uint8Array.of(7),
  input: bytesOf(Float32Array.of(1, 2)),
  output: bytesOf(EXPECTED),
};

const FORM = { file: "model", inputs: [{ file: "input", dtype: "float32", shape: [2] }] } as const;
const CASE: PeerCase = {
  id: "0",
  title: "a net f32",
  precision: "f32",
  macs: 1000,
  forms: { graph: FORM, onnx: FORM, tflite: { reason: "op Erf is not written as TFLite" } },
  outputs: [{ file: "output", dtype: "float32", shape: [3], tolerance: 0.1, ownTolerance: 0 }],
  notes: ["random weights"],
};

function peer(name: string, outputs: Float32Array, log: string[], format: Peer["format"] = "onnx"): Peer {
  return {
    name,
    format,
    open(model, inputs) {
      log.push(`open ${name} ${model[0] ?? 0} ${inputs[0]?.data.join() ?? ""}`);
      return Promise.resolve({ run: () => [outputs], dispose: () => void log.push(`dispose ${name}`) });
    },
  };
}

const read = (file: string): Promise<Uint8Array> => Promise.resolve(FILES[file] ?? new Uint8Array());

describe("runContest", () => {
  it("times who is right, within the tolerance that each is granted", async () => {
    const log: string[] = [];
    const peers = [
      peer("slimbench", EXPECTED, log, "graph"),
      peer("close", Float32Array.of(1, 2.05, 4), log),
      peer("wrong", Float32Array.of(1, 2.2, 4), log),
      peer("short", Float32Array.of(1, 2), log),
      peer("tflite", EXPECTED, log, "tflite"),
      lazyPeer("integers", "onnx", () =>
        Promise.resolve({ ...peer("", EXPECTED, log), open: () => Promise.reject(new NotTaken("no ints")) }),
      ),
      lazyPeer("missing", "onnx", () => Promise.reject(new Error("not installed"))),
    ];
    const result = await runContest(CASE, peers, read, SETTINGS);
    expect(result.outcomes.map((o) => [o.name, o.status])).toEqual([
      ["slimbench", "timed"],
      ["close", "timed"],
      ["wrong", "wrong"],
      ["short", "wrong"],
      ["tflite", "not run"],
      ["integers", "not run"],
      ["missing", "failed"],
    ]);
    expect(log).toContain("open close 7 1,2");
    for (const name of ["slimbench", "close", "wrong", "short"]) expect(log.filter((line) => line === `dispose ${name}`)).toHaveLength(1);

    const row = caseRow(CASE, result);
    expect(row.fastest?.name).toBe("close");
    expect(row.peers.find((p) => p.name === "close")?.ratioCi95).toHaveLength(2);
    const text = markdown([{ host: "node", environment: { v8: "1" }, rows: [row] }], false);
    expect(text).toContain("## node (v8 1)");
    expect(text).toContain("- a net f32: random weights");
    expect(text).toContain("- a net f32, tflite: not run: op Erf is not written as TFLite");
    expect(text).toContain("- a net f32, missing: failed: not installed");
    expect(text).toMatch(/wrong: wrong: output 0, element 1: got 2.2/);
  });

  it("grants our own engine nothing where the result is an integer's", async () => {
    const peers = [peer("slimbench", Float32Array.of(1, 2.05, 4), [], "graph")];
    expect((await runContest(CASE, peers, read, SETTINGS)).outcomes[0]?.status).toBe("wrong");
  });
});

it("averages the middle half of a node's times", () => {
  expect(middleMean([5, 0, 5, 900, 0, 5, 5, 0])).toBe(3.75);
  expect(middleMean([7])).toBe(7);
});

describe("judge", () => {
  it("compares integers within steps", () => {
    const expected = [Int8Array.of(1, 50, -100)];
    expect(judge(expected, [Int8Array.of(3, 50, -102)], [2]).pass).toBe(true);
    expect(judge(expected, [Int8Array.of(4, 50, -100)], [2])).toMatchObject({ pass: false, maxAbsError: 3 });
  });

  it("does not accept a tolerance that would pass anything", () => {
    expect(judge([Float32Array.of(0, 0.01)], [Float32Array.of(0.005, 0)], [0.02]).pass).toBe(false);
  });
});
