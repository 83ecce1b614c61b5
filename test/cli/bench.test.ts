/** The built command from end to end: tables and files, gates, interrupts, inference. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { writeNpy } from "../../src/formats/npy.ts";
import type { Result } from "../../src/results/schema.ts";
import { readResult, writeResult } from "../../src/results/store.ts";
import { makeFixture } from "../harness/fixture.ts";
import { bench } from "./spawn.ts";

const { folder, model, dataset } = makeFixture();
afterAll(() => rmSync(folder, { recursive: true }));

const QUICK = ["--model", model, "--dataset", dataset, "--preset", "quick"];
/** Where it does not matter from how many processes a latency comes. */
const ONE_PROCESS = [...QUICK, "--processes", "1"];

function npy(name: string, shape: readonly number[], value: (i: number) => number): string {
  const path = join(folder, name);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i));
  writeFileSync(path, writeNpy({ dtype: "float32", shape, data }));
  return path;
}

describe("bench run", () => {
  const out = join(folder, "r.json");

  it("prints the table, saves the result, leaves nothing behind", async () => {
    const { code, stdout, stderr } = await bench([...QUICK, "--target", "cpu", "wasm", "--recipe", "fp32", "int8", "--out", out]);
    expect({ code, errors: stderr.split("\n").filter((line) => line.startsWith("error")) }).toEqual({ code: 0, errors: [] });
    expect(stdout).toMatch(/recipe +target +latency ms/);
    expect(stdout).toMatch(/int8 +cpu/);
    expect(stderr).toMatch(
      /^\[1\/4, \d+:\d\d left\] net fp32 cpu: [\d.]+ ms \([\d.]+ to [\d.]+\), \d+ samples of 3 processes, top-1 [\d.]+ % of 120\n/,
    );
    expect(stderr.trimEnd().split("\n")).toHaveLength(4);
    expect(readResult(out).records.map(({ status }) => status)).toEqual(["ok", "ok", "ok", "ok"]);
    expect(readdirSync(folder).filter((file) => file.includes("tmp"))).toEqual([]);
  });

  it("--format json prints the result and nothing else", async () => {
    const { code, stdout } = await bench([...ONE_PROCESS, "--target", "wasm", "--recipe", "fp32", "--format", "json"]);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as Result).records).toHaveLength(1);
  });

  it("--resume has nothing left to do on a finished result", async () => {
    const before = readResult(out);
    const { code, stderr } = await bench([...QUICK, "--target", "cpu", "wasm", "--recipe", "fp32", "int8", "--out", out, "--resume"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(readResult(out).records).toEqual(before.records);
  });

  it("exits 4 when a target is unavailable, and still measures the others", async () => {
    const { code, stdout } = await bench([...ONE_PROCESS, "--target", "wasm", "ort-wasm@chrome", "--recipe", "fp32"]);
    expect(code).toBe(4);
    expect(stdout).toMatch(/ort-wasm@chrome +unavailable/);
  });

  describe("--baseline", () => {
    const run = (baseline: string): ReturnType<typeof bench> =>
      bench([...QUICK, "--target", "wasm", "--recipe", "int8", "--filter", "wasm", "--baseline", baseline]);

    function changed(name: string, change: (result: Result) => Result): string {
      const path = join(folder, name);
      writeResult(path, change(readResult(out)));
      return path;
    }

    function onlyInt8Wasm(result: Result, factor: number): Result {
      const records = result.records.flatMap((record) => {
        if (record.status !== "ok" || record.recipe !== "int8" || record.target !== "wasm") return [];
        const { latencyMs } = record;
        const scale = (x: number): number => x * factor;
        const ci95 = latencyMs.ci95 === undefined ? {} : { ci95: [scale(latencyMs.ci95[0]), scale(latencyMs.ci95[1])] as const };
        const processes = latencyMs.processes === undefined ? {} : { processes: latencyMs.processes.map(scale) };
        return [{ ...record, latencyMs: { ...latencyMs, median: scale(latencyMs.median), ...ci95, ...processes } }];
      });
      return { ...result, records };
    }

    // On a busy machine, three processes of a net of microseconds differ by a factor of ten and more.
    it("exits 1 when everything used to be ten thousand times faster", async () => {
      const { code, stdout } = await run(changed("fast.json", (result) => onlyInt8Wasm(result, 1e-4)));
      expect(code).toBe(1);
      expect(stdout).toMatch(/regression/i);
    });

    it("exits 0 when everything used to be ten thousand times slower", async () => {
      expect((await run(changed("slow.json", (result) => onlyInt8Wasm(result, 1e4)))).code).toBe(0);
    });

    it("exits 3 when the baseline is from another machine, and names what differs", async () => {
      const other = changed("other.json", (result) => ({
        ...onlyInt8Wasm(result, 1),
        environment: { ...result.environment, cpuModel: "another" },
      }));
      const { code, stdout } = await run(other);
      expect(code).toBe(3);
      expect(stdout).toMatch(/cpuModel.*another/);
    });
  });

  it.skipIf(!existsSync("/dev/full"))("a full disk is one line that says so", async () => {
    const { code, stderr } = await bench([...ONE_PROCESS, "--target", "cpu", "--recipe", "fp32", "--out", "/dev/full"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: --out \/dev\/full: cannot be written, the disk is full[^\n]*\n$/m);
  });

  it.each([
    ["SIGINT", 130, QUICK],
    ["SIGTERM", 143, ONE_PROCESS],
  ] as const)("%s keeps what is done, prints it and exits %d", async (signal, expected, words) => {
    const file = join(folder, `${signal}.json`);
    let sent = false;
    const { code, stdout, stderr } = await bench([...words, "--target", "cpu", "wasm", "--recipe", "fp32", "int8", "--out", file], {
      onStderr: (text, kill) => {
        if (sent || !text.includes("[1/4")) return;
        sent = true;
        kill(signal);
      },
    });
    expect(code).toBe(expected);
    const done = readResult(file).records.length;
    expect(done).toBeGreaterThanOrEqual(1);
    expect(done).toBeLessThan(4);
    expect(stdout).toMatch(/net .*parameters/);
    expect(stderr).toMatch(new RegExp(`interrupted: ${done} of 4 records are done, saved in .*--resume`));
  });

  it("an interrupt before the first record leaves no file, and no child", async () => {
    const file = join(folder, "none.json");
    const { code } = await bench([...ONE_PROCESS, "--target", "cpu", "--recipe", "fp32", "--out", file, "--verbose"], {
      onStderr: (_, kill) => kill("SIGINT"),
    });
    expect([0, 130]).toContain(code);
    if (code === 0) expect(existsSync(file)).toBe(true);
  });
});

describe("bench infer", () => {
  const input = (i: number): number => (i >= 4 && i < 8 ? 1 : 0.1);

  interface Printed {
    readonly outputs: readonly {
      readonly name: string;
      readonly dtype: string;
      readonly shape: readonly number[];
      readonly data: readonly (number | string)[];
    }[];
  }

  async function infer(...args: readonly string[]): Promise<Printed["outputs"]> {
    const { code, stdout, stderr } = await bench(["infer", model, ...args, "--format", "json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return (JSON.parse(stdout) as Printed).outputs;
  }

  it("prints the outputs with names, types and shapes, alike on cpu and wasm", async () => {
    const file = npy("one.npy", [1, 16], input);
    const [onCpu] = await infer("--input", file);
    expect(onCpu).toMatchObject({ dtype: "float32", shape: [1, 3] });
    const scores = onCpu?.data.map(Number) ?? [];
    expect(scores.indexOf(Math.max(...scores))).toBe(1);
    const [onWasm] = await infer("--input", `x=${file}`, "--target", "wasm");
    onWasm?.data.forEach((value, i) => expect(Number(value)).toBeCloseTo(scores[i]!, 5));
  });

  it("--each runs every sample of a longer array", async () => {
    const many = npy("many.npy", [5, 16], (i) => input(i % 16) * (1 + Math.floor(i / 16)));
    const [output] = await infer("--input", many, "--each");
    expect(output?.shape).toEqual([5, 3]);
    const [single] = await infer("--input", npy("one.npy", [1, 16], input));
    expect(output?.data.slice(0, 3)).toEqual(single?.data);
  });

  it("prints numbers that JSON lacks as text", async () => {
    const [output] = await infer(
      "--input",
      npy("nan.npy", [1, 16], (i) => (i === 0 ? Infinity : 0)),
    );
    // The first layer multiplies the infinity by zeros too.
    expect(output?.data).toEqual(["NaN", "NaN", "NaN"]);
  });

  it.each([
    [["--input", npy("wide.npy", [1, 17], () => 0)], /wide\.npy: shape \[1, 17\], but input "x" takes \[1, 16\]/],
    [["--input", npy("flat.npy", [16], () => 0)], /shape \[16\], but input "x" takes \[1, 16\]/],
    [["--input", "y=one.npy"], /the model has no input "y". Inputs of the model: x \(float32 \[1, 16\]\)/],
    [["--input", "absent.npy"], /absent\.npy: cannot be read/],
    [["--input", npy("a.npy", [1, 16], () => 0), "--input", npy("b.npy", [1, 16], () => 0)], /b\.npy: one too many/],
    [["--input", dataset], /blocks\.json/],
    [["--input", npy("odd.npy", [0, 16], () => 0), "--each"], /first dimension 0/],
  ])("refuses %j", async (args, message) => {
    const { code, stdout, stderr } = await bench(["infer", model, ...args], { cwd: folder });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
  });

  it("names the types that do not fit", async () => {
    const path = join(folder, "double.npy");
    writeFileSync(path, writeNpy({ dtype: "float64", shape: [1, 16], data: new Float64Array(16) }));
    const { code, stderr } = await bench(["infer", model, "--input", path]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/holds float64, but input "x" takes float32. Save it with \.astype\("float32"\)/);
  });

  it("exits 4 where the target cannot run", async () => {
    const { code, stderr } = await bench(["infer", model, "--input", npy("one.npy", [1, 16], input), "--target", "webgl"]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/webgl: this host has no WebGL, which is a browser's. Use webgl@chrome/);
  });
});

describe("MLPerf Tiny", () => {
  const tiny = new URL("../../../shared/tiny/", import.meta.url).pathname;
  const present = existsSync(join(tiny, "kws_ref_model.tflite"));

  it.skipIf(!present)("suite tiny runs the folder's files and says what it left out", async () => {
    const { code, stdout, stderr } = await bench([
      ...["--suite", "tiny", "--models-dir", tiny, "--target", "cpu", "wasm"],
      ...["--preset", "quick", "--processes", "1"],
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^vww: skipped/m);
    expect(stdout).toMatch(/91\.50 %/);
  });

  it.skipIf(!present)("infer gives TensorFlow Lite's float outputs within 1e-4", async () => {
    const golden = JSON.parse(readFileSync(join(tiny, "pretrainedResnet.goldens.json"), "utf8")) as {
      readonly seeds: number[];
      readonly outputs: number[][];
    };
    const data = new Float32Array(golden.seeds.length * 3072);
    golden.seeds.forEach((seed, s) => {
      let x = seed;
      for (let i = 0; i < 3072; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        data[s * 3072 + i] = x / 2 ** 32 - 0.5;
      }
    });
    const path = join(folder, "resnet.npy");
    writeFileSync(path, writeNpy({ dtype: "float32", shape: [golden.seeds.length, 32, 32, 3], data }));
    for (const target of ["cpu", "wasm", "webgpu"]) {
      const { code, stdout } = await bench(["infer", join(tiny, "pretrainedResnet.tflite"), "--input", path, "--each", "--target", target]);
      expect(code).toBe(0);
      const [output] = (JSON.parse(stdout) as { readonly outputs: readonly { readonly data: readonly number[] }[] }).outputs;
      const want = golden.outputs.flat();
      expect(output?.data).toHaveLength(want.length);
      output!.data.forEach((value, i) => expect(Math.abs(value - want[i]!)).toBeLessThan(1e-4));
    }
  });

  it.skipIf(!present)("infer gives TensorFlow Lite's outputs within 1 for all samples", async () => {
    const golden = JSON.parse(readFileSync(join(tiny, "kws01_first200.json"), "utf8")) as {
      readonly labels: number[];
      readonly tfliteOutputs: number[][];
    };
    const data = new Int8Array(readFileSync(join(tiny, "kws01_first200.int8.bin")));
    const path = join(folder, "kws.npy");
    writeFileSync(path, writeNpy({ dtype: "int8", shape: [200, 49, 10, 1], data }));
    for (const target of ["cpu", "wasm", "webgpu"]) {
      const { code, stdout } = await bench(["infer", join(tiny, "kws_ref_model.tflite"), "--input", path, "--each", "--target", target]);
      expect(code).toBe(0);
      const [output] = (JSON.parse(stdout) as { readonly outputs: readonly { readonly data: readonly number[] }[] }).outputs;
      let right = 0;
      golden.tfliteOutputs.forEach((want, s) => {
        const got = output!.data.slice(s * 12, s * 12 + 12);
        got.forEach((value, i) => expect(Math.abs(value - want[i]!)).toBeLessThanOrEqual(1));
        right += Number(got.indexOf(Math.max(...got)) === golden.labels[s]);
      });
      expect({ target, right }).toEqual({ target, right: 183 });
    }
  });
});
