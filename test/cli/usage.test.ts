/** Wrong words: one line that names what was found and what was expected, exit code 2, no stack. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFixture } from "../harness/fixture.ts";
import { bench } from "./spawn.ts";

const { folder, model, dataset } = makeFixture();
afterAll(() => rmSync(folder, { recursive: true }));

async function refuses(args: readonly string[], message: RegExp, code = 2): Promise<void> {
  const { code: got, stderr, stdout } = await bench(args, { cwd: folder });
  expect({ args, code: got, stdout }).toEqual({ args, code, stdout: "" });
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^error: [^\n]+\n$/);
}

describe("wrong words", () => {
  it.each([
    [["frobnicate"], /unknown command, expected one of run, infer/],
    [["rnu"], /Did you mean run\?/],
    [["history", "x.onnx"], /bench history: is not available yet/],
    [["--sute", "mobile"], /unknown option '--sute'. Did you mean --suite\?/],
    [["run", "mobile"], /too many arguments/],
    [["--suite", "mobil"], /unknown suite, expected one of kernels, mobile, smoke, tiny.*Did you mean mobile\?/],
    [["--suite"], /argument missing/],
    [["--recipe", "int9"], /unknown step "int9"/],
    [["--recipe", "finetune:2"], /not implemented yet/],
    [["--target", "wsam"], /unknown engine "wsam".*Did you mean wasm\?/],
    [["--preset", "fast"], /Allowed choices are quick, normal, rigorous/],
    [["--tune", "hard"], /Allowed choices are off, cached, force/],
    [["--model", "kernel:gemm,m=4,n=4"], /k: .*expected number.*e\.g\. kernel:gemm,m=768/],
    [["--format", "xml"], /Allowed choices are table, json, md, csv/],
    [["--seed", "one"], /expected a whole number/],
    [["--timeout", "0"], /expected seconds above 0/],
    [["--threshold", "much"], /expected a percentage/],
    [["--shape", "x=0"], /expected INPUT=D,D/],
    [["--model", "lenet6"], /no such file, and no model of suite mobile/],
    [["--model", "absent.onnx"], /absent\.onnx/],
    [["--model", "npm:no-such-package/x.onnx"], /no-such-package is not installed/],
    [["--filter", "("], /not a regular expression/],
    [["--shard", "3/2"], /expected I\/N/],
    [["--resume"], /needs --out FILE/],
    [["--out", "missing/r.json"], /the folder .*missing does not exist/],
    [["--baseline", "absent.json"], /absent\.json/],
    [["list", "kernal"], /Did you mean kernels\?/],
    [["infer", "x.onnx"], /required option '--input/],
    [["doctor", "gpu"], /unknown engine "gpu"/],
  ] as const)("bench %j", (args, message) => refuses(args, message));

  it("bad files", async () => {
    for (const [name, bytes, message] of [
      ["empty.onnx", "", /the file is empty/],
      ["garbage.onnx", "\xff\xfe garbage", /empty\.onnx|garbage\.onnx/],
      ["page.onnx", "<html>no</html>", /page\.onnx/],
    ] as const) {
      writeFileSync(join(folder, name), bytes);
      await refuses(["--model", name, "--target", "cpu", "--recipe", "fp32"], message);
    }
    writeFileSync(
      join(folder, "short.json"),
      JSON.stringify({
        name: "s",
        task: "classification",
        input: { dtype: "float32", shape: [16] },
        data: "blocks.bin",
        labels: [0, 1],
        classes: 3,
      }),
    );
    await refuses(
      ["--model", model, "--target", "cpu", "--recipe", "fp32", "--dataset", "short.json"],
      /blocks\.bin: 7680 bytes, expected 128/,
    );
    mkdirSync(join(folder, "dir"), { recursive: true });
    await refuses(["--model", model, "--out", "dir"], /--out dir: is a folder/);
  });

  it("unknown target options are refused before anything is measured", async () => {
    const { code, stderr } = await bench(["--model", model, "--target", "cpu", "wasm:wings=2", "--recipe", "fp32"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: .*wings/m);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it("--verbose adds the stack", async () => {
    const { stderr } = await bench(["--suite", "mobil", "--verbose"]);
    expect(stderr).toMatch(/\n\s+at .*suite/);
  });
});

describe("help", () => {
  it("lists commands, and the options of each", async () => {
    const main = await bench(["--help"]);
    expect(main.code).toBe(0);
    for (const word of ["run", "infer", "compress", "inspect", "compare", "report", "list", "doctor"]) {
      expect(main.stdout).toMatch(new RegExp(`^ {2}${word} `, "m"));
      const own = await bench([word, "--help"]);
      expect({ word, code: own.code }).toEqual({ word, code: 0 });
      expect(own.stdout).toMatch(new RegExp(`^Usage: bench ${word}`));
    }
  });

  it("--version is the package's", async () => {
    expect((await bench(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("list and dry run", () => {
  it("lists every kind of word, as text and as JSON", async () => {
    const { code, stdout } = await bench(["list", "--format", "json"]);
    expect(code).toBe(0);
    const lists = JSON.parse(stdout) as Record<string, readonly { readonly name: string }[]>;
    const names = (key: string): readonly string[] => lists[key]?.map(({ name }) => name) ?? [];
    expect(names("suites")).toEqual(["kernels", "mobile", "smoke", "tiny", "trees"]);
    expect(names("models")).toContain("ppocr-cls");
    expect(names("datasets")).toEqual(["mnist", "textlines"]);
    expect(names("recipes")).toContain("prune");
    expect(names("targets")).toContain("webgpu@chrome");
    expect(names("kernels").length).toBeGreaterThan(30);
    expect((await bench(["list", "suites"])).stdout).toMatch(/^suites:\n {2}kernels .*\n {2}mobile /);
  });

  it("a closed pipe is no error", async () => {
    const { code, stderr } = await bench(["list"], { closeStdout: true });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("--dry-run prints the plan and measures nothing", async () => {
    const out = join(folder, "dry.json");
    const { code, stdout } = await bench(["--model", model, "--dataset", dataset, "--target", "cpu", "wasm", "--dry-run", "--out", out]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^net fp32 cpu .*\nnet fp32 wasm .*\nnet int8 cpu .*\nnet int8 wasm .*\n4 records, preset normal\n$/);
    expect(existsSync(out)).toBe(false);
  });
});
