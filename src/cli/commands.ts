/** Every command, loaded when it is the one asked for: `bench --help` must not wait for engines and formats. */
import type { Command } from "commander";

export interface CommandRow {
  readonly name: string;
  readonly about: string;
  readonly load: () => Promise<Command>;
}

export const COMMANDS: readonly CommandRow[] = [
  {
    name: "run",
    about: "measure models × recipes × targets and print one table (the default command)",
    load: async () => (await import("./run.ts")).runCommand(),
  },
  {
    name: "infer",
    about: "run one model on inputs from .npy files and print its outputs",
    load: async () => (await import("./infer.ts")).inferCommand(),
  },
  {
    name: "compress",
    about: "apply a recipe to a model and write the result as ONNX",
    load: async () => (await import("./compress.ts")).compressCommand(),
  },
  {
    name: "grow",
    about: "grow a decision tree or a forest from a dataset",
    load: async () => (await import("./grow.ts")).growCommand(),
  },
  {
    name: "inspect",
    about: "show a model layer by layer: shapes, parameters, MACs, sparsity, bits",
    load: async () => (await import("./inspect.ts")).inspectCommand(),
  },
  {
    name: "profile",
    about: "show where an inference's time goes, op by op",
    load: async () => (await import("./profile.ts")).profileCommand(),
  },
  {
    name: "sensitivity",
    about: "change each layer alone: what it does to accuracy, and to the layer's time",
    load: async () => (await import("./sensitivity.ts")).sensitivityCommand(),
  },
  {
    name: "search",
    about: "find the cheapest recipe that keeps the accuracy that is asked for",
    load: async () => (await import("./search.ts")).searchCommand(),
  },
  {
    name: "compare",
    about: "compare two result files and fail on a regression",
    load: async () => (await import("./compare.ts")).compareCommand(),
  },
  {
    name: "report",
    about: "print a table from result files",
    load: async () => (await import("./report.ts")).reportCommand(),
  },
  {
    name: "serve",
    about: "serve a page that measures in whatever browser opens it, a phone's too",
    load: async () => (await import("./serve.ts")).serveCommand(),
  },
  {
    name: "list",
    about: "list suites, models, recipes, targets and kernels",
    load: async () => (await import("./list.ts")).listCommand(),
  },
  {
    name: "doctor",
    about: "check every target: does it work here, and what mends it",
    load: async () => (await import("./doctor.ts")).doctorCommand(),
  },
];

/** Part of the language, not of this version. */
export const PLANNED_COMMANDS = ["ab", "noise", "history", "verify", "merge"] as const;
