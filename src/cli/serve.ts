/** `bench serve`: the page for a phone or any other browser, opened by hand. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { Command } from "commander";
import { UsageError } from "../errors.ts";
import { makePlan } from "../harness/plan.ts";
import { serveModels } from "../harness/serve.ts";
import { wholeNumber } from "./options.ts";

interface ServeWords {
  readonly suite?: string;
  readonly model?: readonly string[];
  readonly dataset?: string;
  readonly modelsDir?: string;
  readonly seed: number;
  readonly host: string;
  readonly port: number;
  readonly cert?: string;
  readonly key?: string;
}

export function serveCommand(): Command {
  return new Command("serve")
    .description("serve a page that measures in whatever browser opens it, until Ctrl-C")
    .option("--suite <name>", "offer the models of a suite (default: mobile)")
    .option("--model <model...>", "offer these models")
    .option("--dataset <name>", "what int8 calibrates on: mnist, textlines, or a header .json")
    .option("--models-dir <folder>", "folder with the files of a suite that brings none (tiny)")
    .option("--seed <n>", "for inputs and calibration samples", wholeNumber, 1)
    .option("--host <address>", "0.0.0.0, or one of this machine's addresses or names, to let other devices in", "127.0.0.1")
    .option("--port <n>", "default: a free one", wholeNumber, 0)
    .option("--cert <file>", "certificate (PEM): with https, browsers give other devices WebGPU, threads and a fine clock too")
    .option("--key <file>", "its private key (PEM)")
    .addHelpText(
      "after",
      `
The page runs what its address says, e.g. …/?model=lenet5&recipe=fp32&recipe=int8&target=wasm&preset=quick
(model, recipe and target may be repeated), or what you choose on it, and offers its results as a result.json.
A phone on a cable needs neither --host nor a certificate: adb reverse tcp:8123 tcp:8123, bench serve --port 8123.`,
    )
    .action(serve);
}

async function serve(words: ServeWords): Promise<void> {
  const { host, port, cert, key } = words;
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--cert and --key: expected both or none");
  const plan = makePlan({
    suite: words.suite,
    models: words.model,
    targets: ["cpu"],
    dataset: words.dataset,
    modelsDir: words.modelsDir,
    preset: "normal",
    seed: words.seed,
  });
  const tls = cert === undefined || key === undefined ? {} : { tls: { cert: readPem("--cert", cert), key: readPem("--key", key) } };
  const served = await serveModels(plan, { address: { host, port }, ...tls });
  const { server } = served;
  console.log(
    host === "0.0.0.0"
      ? addresses()
          .map((address) => server.urlAt(address))
          .join("\n")
      : server.url,
  );
  if (cert === undefined && host !== "127.0.0.1" && host !== "localhost") {
    console.error(
      "note: without https, browsers on other devices measure cpu and wasm only, with one thread and a clock of 0.1 ms. Give --cert and --key, or forward the port",
    );
  }
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  await served.close();
}

function readPem(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`${option} ${path}: cannot be read, ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** This machine's own IPv4 addresses, loopback first. */
function addresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.filter(({ family }) => family === "IPv4").map(({ address }) => address);
}
