/** Rates of single layers and what the sweeps found, in every format. */
import { describe, expect, it } from "vitest";
import { findExporter } from "../../src/report/index.ts";
import { breakEvenText, isKernelResult } from "../../src/report/kernels.ts";
import { breakEvens } from "../../src/results/break-even.ts";
import type { OkRecord, Result, ResultRecord } from "../../src/results/schema.ts";
import { latency, okRecord, resultOf } from "../results/fixtures.ts";

function row(recipe: string, target: string, zeros: number, ms: number): OkRecord {
  const type = recipe.includes("int8") ? "int8" : "float32";
  const denseGops = 40 / ms;
  const nonzeroGops = denseGops * (1 - zeros);
  return okRecord({
    model: "pw6",
    recipe,
    target,
    latencyMs: latency(ms, 0.01),
    compute: { macs: 20_000_000, effectiveMacs: 20_000_000 * (1 - zeros) },
    kernels: [`${type === "int8" ? "i8" : "f32"}_kernel__wasm`],
    parity: { against: "cpu", exact: type === "int8", tolerance: 0, pass: true },
    rates: {
      shape: "kernel:gemm,m=196,n=512,k=256",
      layer: "MobileNetV1, pointwise 6",
      type,
      denseGops,
      nonzeroGops,
      peakGops: 50,
      peakOperation: "f32x4 multiply and add",
      peakShare: nonzeroGops / 50,
      timing: "alone",
    },
  });
}

const records: readonly ResultRecord[] = [
  row("fp32", "wasm", 0, 1),
  row("int8", "wasm", 0, 0.5),
  { model: "pw6", recipe: "fp32", target: "cpu", status: "failed", reason: { code: "parity", message: "off by one", remedy: "" } },
  row("prune:0.2,block=1x8,include=*", "wasm:sparse=on", 0.2, 1.1),
  row("prune:0.5,block=1x8,include=*", "wasm:sparse=on", 0.5, 0.6),
];
const result: Result = { ...resultOf(records), breakEven: breakEvens(records) };
const render = (format: string, width = 120): string => findExporter(format).results([result], { width, colour: false });

describe("a result of layers", () => {
  it("is told from one of models", () => {
    expect(isKernelResult(result)).toBe(true);
    expect(isKernelResult(resultOf([okRecord({})]))).toBe(false);
  });

  it("has a table of codes: speed and bytes against the dense row, which the table of rates keeps", () => {
    const coded = (recipe: string, ms: number, weights: number): OkRecord => ({
      ...row(recipe, "wasm:coded=on", 0, ms),
      memoryBytes: { weights },
    });
    const all = resultOf([
      { ...row("fp32", "wasm", 0, 1), memoryBytes: { weights: 4000 } },
      coded("cluster:16", 1.25, 520),
      coded("fp16", 0.8, 2000),
      // Of a layer whose dense row is missing nothing can be said.
      { ...coded("fp16", 0.8, 2000), model: "other" },
    ]);
    const text = findExporter("table").results([all], { width: 120, colour: false });
    const lines = text.split("\n").map((line) => line.replace(/ +/g, " "));
    expect(lines).toContain("layer target dense ms cluster:16 fp16");
    expect(lines).toContain("pw6 wasm 1.00 0.80× 13 % 1.25× 50 %");
    expect(text).not.toContain("coded=on");
    expect(text).toContain("under a code:");
    expect(render("table")).not.toContain("under a code:");
    expect(findExporter("md").results([all], { width: 120, colour: false })).toContain("0.80× 13 %");
  });

  it("has a table of rates and one of sweeps", () => {
    const lines = render("table")
      .split("\n")
      .map((line) => line.replace(/ +/g, " "));
    expect(lines).toContain("pw6 fp32 wasm 1.00 40.0 40.0 80 % pass f32_kernel__wasm");
    expect(lines.some((line) => /^ ?int8 wasm 0\.500 80\.0 80\.0 160 % exact i8_kernel__wasm$/.test(line))).toBe(true);
    expect(lines.some((line) => /^ ?fp32 cpu failed \[1\] – – – –/.test(line))).toBe(true);
    expect(lines).toContain("layer target zeros in pays from 20 % 50 %");
    // 1.1 at 20 %, 0.6 at 50 %: a fifth of the way.
    expect(lines).toContain("pw6 wasm 1x8 blocks 26 % 36.4/29.1 66.7/33.3");
    expect(lines.join("\n")).toMatch(/wasm float32 \(f32x4 multiply and add\) 50\.0/);
    expect(lines.join("\n")).toMatch(/\[1\] pw6 fp32 cpu: failed \(parity\): off by one/);
  });

  it("shows fewer shares of zeros where the terminal is narrow", () => {
    const many = [0.1, 0.2, 0.35, 0.5, 0.7, 0.8, 0.9, 0.95].map((zeros) => row(`prune:${zeros}`, "wasm:sparse=on", zeros, 1.2 - zeros));
    const all = [...records.slice(0, 2), ...many];
    const wide: Result = { ...resultOf(all), breakEven: breakEvens(all) };
    const heads = (width: number): string | undefined =>
      findExporter("table")
        .results([wide], { width, colour: false })
        .split("\n")
        .find((line) => line.includes("pays from"));
    expect(heads(80)).toMatch(/pays from +50 % +80 % +90 %$/);
    expect(heads(200)).toMatch(/10 % +20 % +35 % +50 % +70 % +80 % +90 % +95 %$/);
  });

  it("has both tables in Markdown", () => {
    const text = render("md");
    expect(text).toContain("| pw6 | fp32 | wasm | 1.00 | 40.0 | 40.0 | 80 % | pass | f32\\_kernel\\_\\_wasm |");
    expect(text).toContain("| pw6 | wasm | 1x8 blocks | 26 % | 36.4/29.1 | 66.7/33.3 |");
  });

  it("has its rates as columns in CSV, and everything in JSON", () => {
    const [heads, first] = render("csv").split("\r\n");
    const cell = (name: string): string | undefined => first?.split(",")[heads?.split(",").indexOf(name) ?? -1];
    // The layer's text holds a comma and is quoted, so columns before it are counted.
    expect(heads).toContain("denseGops,nonzeroGops,peakGops,peakShare");
    expect(cell("model")).toBe("pw6");
    expect(first).toContain(",40,40,50,0.8,");
    expect((JSON.parse(render("json")) as Result).breakEven).toHaveLength(1);
  });

  it("says at the ends of a sweep what it does not show", () => {
    expect(breakEvenText({ relation: "below", zeros: 0.05 })).toBe("≤ 5 %");
    expect(breakEvenText({ relation: "above", zeros: 0.95 })).toBe("none to 95 %");
  });
});
