/** `bench list`: the words that can be typed here, and the kernels behind them. */
import { Command, Option } from "commander";
import { STEP_NAMES } from "../compress/recipe-fields.ts";
import { BUILT_IN_DATASETS } from "../data/index.ts";
import { ENGINE_NAMES } from "../engines/registry.ts";
import { UsageError } from "../errors.ts";
import { describeSuites } from "../harness/suite.ts";
import { PLANNED_ENGINES } from "../harness/target.ts";
import { KERNELS } from "../kernels/catalogue.ts";
import { hint } from "../harness/hint.ts";

const SECTIONS = ["suites", "models", "datasets", "recipes", "targets", "kernels"] as const;
type Section = (typeof SECTIONS)[number];

const RECIPES: Readonly<Record<string, string>> = {
  fp32: "the original",
  int8: "static full-integer quantization, weights per channel, calibrated on training samples",
  int16x8: "the same with symmetric int16 activations: closer to float, twice the memory of int8's activations",
  "int8:dynamic": "weights in 8 bits, inputs of layers quantized to their own range when they run; needs no calibration",
  "int8:weights": "weights in 8 bits with a scale per output channel, arithmetic in float32",
  requantize:
    "requantize:double, requantize:single: 8-bit layers round in fixed point as TFLite does, twice or once; requantize:float: as XNNPACK does, the default",
  prune:
    "prune:X: share X of the weights to zero by magnitude; prune:X,block=1x8: whole blocks, which kernels skip; prune,nm=2:4: 2 of every 4 input channels stay",
  cluster:
    "cluster:N: at most N values a layer (2..256), stored and executed as indices and a table; per=channel: in each output channel; refine=no: without k-means",
  ccp: "ccp:ALPHA: cost-complexity pruning of decision trees; ccp:auto: the alpha by held-out samples and one standard error (samples=all: by all training samples)",
  rep: "reduced-error pruning of decision trees by held-out samples (samples=all: by all training samples)",
  pessimistic: "pessimistic:CF: C4.5's pruning of decision trees, confidence CF (0.25), by what they grew from",
  minerror: "minerror:M: minimum-error pruning of decision trees, m-estimate M (2), by what they grew from",
  fp16: "weights in float16, arithmetic in float32",
  int4: "int4,block=32: 4-bit weights with a scale for so many inputs of an output",
};

const TARGETS: Readonly<Record<string, string>> = {
  cpu: "plain TypeScript, every op; what the others are verified against",
  wasm: "WebAssembly SIMD",
  webgpu: "WGSL on Dawn; SwiftShader where there is no GPU",
  webgl: "gpu.js on WebGL 2, float32 only; in browsers: webgl@chrome",
  "gpujs-cpu": "gpu.js's CPU mode, float32 only, for comparison",
};

interface Entry {
  readonly name: string;
  readonly about: string;
}

export function listCommand(): Command {
  return new Command("list")
    .description("list suites, models, recipes, targets and kernels")
    .argument("[section]", `one of ${SECTIONS.join(", ")}; default: all`)
    .addOption(new Option("--format <format>", "form of the output").choices(["text", "json"]).default("text"))
    .action(list);
}

function list(word: string | undefined, options: { readonly format: string }): void {
  const sections = word === undefined ? SECTIONS : [sectionOf(word)];
  const content = Object.fromEntries(sections.map((section) => [section, entriesOf(section)]));
  if (options.format === "json") {
    console.log(JSON.stringify(content, null, 2));
    return;
  }
  for (const section of sections) {
    const entries = content[section] ?? [];
    const width = Math.max(...entries.map(({ name }) => name.length));
    console.log(`${section}:`);
    for (const { name, about } of entries) console.log(`  ${name.padEnd(width)}  ${about}`);
  }
}

function sectionOf(word: string): Section {
  const section = SECTIONS.find((known) => known === word);
  if (section === undefined)
    throw new UsageError(`bench list ${word}: unknown section, expected one of ${SECTIONS.join(", ")}.${hint(word, SECTIONS)}`);
  return section;
}

function entriesOf(section: Section): readonly Entry[] {
  switch (section) {
    case "suites":
      return describeSuites().map(({ name, about }) => ({ name, about }));
    case "models":
      return describeSuites().flatMap(({ name: suite, models }) =>
        models.map(({ name, path, dataset }) => ({ name, about: `${path}${datasetText(dataset)} (suite ${suite})` })),
      );
    case "datasets":
      return BUILT_IN_DATASETS.map((name) => ({ name, about: "built in" }));
    case "recipes":
      return STEP_NAMES.map((name) => ({ name, about: RECIPES[name] ?? "part of the language, not of this version" }));
    case "targets":
      return [
        ...ENGINE_NAMES.map((name) => ({ name, about: TARGETS[name] ?? "" })),
        ...[...PLANNED_ENGINES, "webgpu@chrome", "wasm@chrome", "webgpu@firefox", "webgpu@ws:NAME"].map((name) => ({
          name,
          about: "part of the language, not of this version",
        })),
      ];
    case "kernels":
      return KERNELS.map(({ name, about, ops }) => ({ name, about: `${about} [${ops.join(", ")}]` }));
  }
}

function datasetText(dataset: string | readonly string[] | undefined): string {
  return dataset === undefined ? "" : `, dataset ${typeof dataset === "string" ? dataset : dataset.join(" or ")}`;
}
