import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FormatError, UsageError } from "../../src/errors.ts";
import { loadSuite, parseJsonWithComments, suiteNames } from "../../src/harness/suite.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const VALID = { name: "x", about: "a", models: [{ name: "m", path: "m.onnx" }], recipes: ["fp32"], targets: ["cpu"] };

describe("loadSuite", () => {
  it("knows the suites of the package", () => {
    expect(suiteNames()).toEqual(["kernels", "mobile", "smoke", "tiny", "trees"]);
  });

  it("mobile is three models, four recipes, three targets", () => {
    const suite = loadSuite("mobile");
    expect(suite.models.map(({ name }) => name)).toEqual(["lenet5", "dsnet", "ppocr-cls"]);
    expect(suite.recipes).toEqual(["fp32", "int8", "prune:0.7,block=1x8", "prune:0.7,block=1x8+int8"]);
    expect(suite.targets).toEqual(["cpu", "wasm", "webgpu"]);
    expect(suite.models[0]?.path).toMatch(/suites\/models\/lenet5\.onnx$/);
    expect(suite.models[2]?.path).toMatch(/^npm:/);
  });

  it("the template is valid", () => {
    const template = new URL("../../suites/_template.jsonc", import.meta.url).pathname;
    expect(loadSuite(template).models).toHaveLength(1);
  });

  it("resolves model paths beside the suite file", () => {
    expect(loadSuite(write("a.json", JSON.stringify(VALID))).models[0]?.path).toBe(join(folder, "m.onnx"));
  });

  it("names the known suites for an unknown one", () => {
    expect(() => loadSuite("mobil")).toThrow(UsageError);
    expect(() => loadSuite("mobil")).toThrow(/unknown suite, expected one of kernels, mobile, smoke, tiny.*Did you mean mobile\?/);
    expect(() => loadSuite(join(folder, "none.json"))).toThrow(/no such file/);
  });

  it.each([
    ["{", /not valid JSON/],
    ["[]", /suite: .*expected object/],
    [JSON.stringify({ ...VALID, recipes: [] }), /recipes: /],
    [JSON.stringify({ ...VALID, recipies: ["int8"] }), /unrecognized key/],
    [JSON.stringify({ ...VALID, models: [{ name: "a b", path: "x" }] }), /models\[0\]\.name: expected letters/],
    [JSON.stringify({ ...VALID, models: [{ name: "a", path: "x", shapes: { x: [0] } }] }), /models\[0\]\.shapes\.x\[0\]/],
  ])("refuses %s", (text, message) => {
    const path = write("bad.json", text);
    expect(() => loadSuite(path)).toThrow(FormatError);
    expect(() => loadSuite(path)).toThrow(message);
  });

  describe("with files of the user", () => {
    it("asks for the folder and says what belongs in it", () => {
      expect(() => loadSuite("tiny")).toThrow(/needs --models-dir DIR.*kws_ref_model\.tflite/);
      expect(() => loadSuite("tiny", join(folder, "absent"))).toThrow(/no such folder/);
      mkdirSync(join(folder, "empty"));
      expect(() => loadSuite("tiny", join(folder, "empty"))).toThrow(/nothing to run/);
    });

    it("leaves out what is missing, with a line for each", () => {
      const dir = join(folder, "some");
      mkdirSync(dir);
      for (const file of ["kws_ref_model.tflite", "kws01_first200.json", "pretrainedResnet.tflite"]) writeFileSync(join(dir, file), "x");
      const suite = loadSuite("tiny", dir);
      expect(suite.models.map(({ name }) => name)).toEqual(["kws", "resnet"]);
      expect(suite.models[0]?.dataset).toBe(join(dir, "kws01_first200.json"));
      expect(suite.skipped.find((line) => line.startsWith("vww:"))).toMatch(/skipped/);
      // Without its data the float model cannot be calibrated, so the int8 recipes go.
      expect(suite.models[1]?.dataset).toBeUndefined();
      expect(suite.models[1]?.recipes).toEqual(["fp32", "prune:0.7,block=1x8"]);
      expect(suite.skipped.find((line) => line.startsWith("resnet:"))).toMatch(/no accuracy and no recipe that calibrates/);
    });
  });
});

describe("parseJsonWithComments", () => {
  it("drops comments and trailing commas, not what looks like them in strings", () => {
    const text = `{ // one\n "url": "http://x/*y*/,]", /* two\n lines */ "list": [1, 2,], }`;
    expect(parseJsonWithComments(text, "t")).toEqual({ url: "http://x/*y*/,]", list: [1, 2] });
  });
});
