/**
 * The page as somebody opens it by hand: measures what its address or its form says, row after row, and shows a table that fills. The
 * results are a result.json like any other.
 */
import { SlimbenchError } from "../errors.ts";
import { PRESETS } from "../harness/presets.ts";
import type { PresetName } from "../harness/presets.ts";
import type { Offer } from "../harness/served.ts";
import { RESULT_SCHEMA, recordKey } from "../results/schema.ts";
import type { Environment, Result, ResultRecord } from "../results/schema.ts";
import { element, field } from "./elements.ts";
import { measureRow } from "./measure.ts";
import type { Row } from "./measure.ts";
import { renderTable } from "./table.ts";

const status = document.getElementById("status") ?? document.body;
const app = document.getElementById("app") ?? document.body;

interface Choice {
  readonly models: readonly string[];
  readonly recipes: readonly string[];
  readonly targets: readonly string[];
  readonly preset: PresetName;
}

/** `?model=…&recipe=…&target=…&preset=…`, words repeated or parted by spaces. A `+` of a recipe may stand as it is. */
function choiceOf(search: string): Choice | undefined {
  const query = new URLSearchParams(search.replaceAll("+", "%2B"));
  const models = query.getAll("model");
  if (models.length === 0) return undefined;
  const words = (name: string, fallback: string): readonly string[] => (query.has(name) ? query.getAll(name) : [fallback]);
  const preset = PRESETS.find((name) => name === query.get("preset")) ?? "normal";
  return { models, recipes: words("recipe", "fp32"), targets: words("target", "wasm"), preset };
}

function addressOf({ models, recipes, targets, preset }: Choice): string {
  const query = new URLSearchParams([
    ...models.map((model): [string, string] => ["model", model]),
    ...recipes.map((recipe): [string, string] => ["recipe", recipe]),
    ...targets.map((target): [string, string] => ["target", target]),
    ["preset", preset],
  ]);
  return `?${query.toString()}`;
}

/** Original first: the others are compared with it. */
function rowsOf({ models, recipes, targets }: Choice): readonly Row[] {
  const ordered = [...new Set(recipes)].sort((a, b) => Number(b === "fp32") - Number(a === "fp32"));
  return models.flatMap((model) => ordered.flatMap((recipe) => targets.map((target) => ({ model, recipe, target }))));
}

function form(offer: Offer, given: Choice | undefined, onRun: (choice: Choice) => void): HTMLFormElement {
  const models = element("select", { id: "model", required: true });
  for (const { name } of offer.models) models.append(new Option(name, name, false, given?.models.includes(name) === true));
  const recipes = element("input", { id: "recipes", required: true, autocapitalize: "none", spellcheck: false });
  const offered = (): string => offer.models.find(({ name }) => name === models.value)?.recipes.join(" ") ?? "fp32";
  recipes.value = given?.recipes.join(" ") ?? offered();
  models.onchange = (): void => {
    recipes.value = offered();
  };
  const targets = element("input", { id: "targets", required: true, autocapitalize: "none", spellcheck: false });
  targets.value = given?.targets.join(" ") ?? offer.targets.join(" ");
  const presets = element("select", { id: "preset" });
  for (const name of PRESETS) presets.append(new Option(name, name, name === "normal", name === (given?.preset ?? "normal")));
  const button = element("button", { type: "submit", textContent: "Measure" });
  const made = element("form", {});
  made.append(
    field("Model", models),
    field("Recipes", recipes, "How to compress; parted by spaces, e.g. fp32 int8 prune:0.7,block=1x8+int8"),
    field("Targets", targets, "cpu, wasm, wasm:threads=2, webgpu; parted by spaces"),
    field("Preset", presets),
    button,
  );
  const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== "");
  made.onsubmit = (event): void => {
    event.preventDefault();
    const preset = PRESETS.find((name) => name === presets.value) ?? "normal";
    onRun({ models: [models.value], recipes: words(recipes.value), targets: words(targets.value), preset });
  };
  return made;
}

class Runner {
  readonly #offer: Offer;
  readonly #table = element("section", { ariaLabel: "Results" });
  readonly #records = new Map<string, ResultRecord>();
  readonly #engines: Record<string, NonNullable<Environment["engines"]>[string]> = {};
  #busy = false;
  #preset: PresetName = "normal";

  constructor(offer: Offer) {
    this.#offer = offer;
  }

  get view(): HTMLElement {
    return this.#table;
  }

  async run(choice: Choice): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    // Figures of two presets are no one table.
    if (choice.preset !== this.#preset) this.#records.clear();
    this.#preset = choice.preset;
    document.body.classList.add("busy");
    history.replaceState(undefined, "", addressOf(choice));
    const lock = await keepAwake();
    const rows = rowsOf(choice);
    const problems: string[] = [];
    for (const [i, row] of rows.entries()) {
      const what = `${i + 1} of ${rows.length}: ${row.model} ${row.recipe} ${row.target}`;
      try {
        const { record, probe } = await measureRow(row, choice.preset, this.#offer.seed, (phase) => {
          status.textContent = `${what}: ${phase}. Keep this page in front.`;
        });
        this.#records.set(recordKey(record), record);
        const { available, software, facts } = probe;
        this.#engines[row.target] = {
          available,
          ...(software === undefined ? {} : { software }),
          facts: { browser: navigator.userAgent, ...facts },
        };
      } catch (error) {
        if (!(error instanceof SlimbenchError)) throw error;
        problems.push([error.message, error.remedy].filter((text) => text !== "").join(". "));
      }
      this.#table.replaceChildren(...renderTable([...this.#records.values()], this.#result()));
    }
    await lock?.release();
    status.textContent = [`Done: ${rows.length - problems.length} of ${rows.length} rows.`, ...new Set(problems)].join("\n");
    document.body.classList.remove("busy");
    this.#busy = false;
  }

  #result(): Result {
    return {
      schema: RESULT_SCHEMA,
      createdAt: new Date().toISOString(),
      tool: this.#offer.tool,
      environment: { platform: "browser", cpuCount: navigator.hardwareConcurrency, engines: this.#engines },
      config: { preset: this.#preset, seed: this.#offer.seed, processes: 1, tune: "off" },
      records: [...this.#records.values()],
    };
  }
}

/** A phone's screen that goes dark takes the page with it. Refused where energy is short: then the warning says so later. */
async function keepAwake(): Promise<WakeLockSentinel | undefined> {
  const { wakeLock } = navigator as { readonly wakeLock?: WakeLock };
  return wakeLock?.request("screen").catch(() => undefined);
}

async function start(): Promise<void> {
  const response = await fetch("offer");
  if (!response.ok) {
    status.textContent = "This page measures when bench drives it. To measure by hand, open the address that bench serve prints.";
    return;
  }
  const offer = (await response.json()) as Offer;
  const runner = new Runner(offer);
  const given = choiceOf(location.search);
  const run = (choice: Choice): void => {
    runner.run(choice).catch((error: unknown) => {
      status.textContent = `Failed: ${String(error)}`;
    });
  };
  const notes = crossOriginIsolated
    ? []
    : [
        element("p", {
          className: "note",
          textContent:
            "This page did not come over a secure connection: no WebGPU, one thread, and a clock of 0.1 ms. Use https, or http://127.0.0.1 through a forwarded port.",
        }),
      ];
  app.replaceChildren(...notes, form(offer, given, run), runner.view);
  status.textContent = "Choose what to measure.";
  if (given !== undefined) run(given);
}

void start();
