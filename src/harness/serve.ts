/**
 * Serves the page for browsers that people open by hand: the offered models, each compressed here when it is first asked for. Measuring is
 * the page's matter.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRecipe } from "../compress/recipe.ts";
import { UsageError } from "../errors.ts";
import { ENGINE_NAMES } from "../engines/registry.ts";
import { PAGE_ROUTES } from "../hosts/browser/routes.ts";
import { PageServer } from "../hosts/browser/server.ts";
import type { PageServerOptions } from "../hosts/browser/server.ts";
import { encodeMessage } from "../hosts/wire.ts";
import type { Plan, PlannedModel } from "./plan.ts";
import { prepareModel, preparePair } from "./prepare.ts";
import type { PreparedModel } from "./prepare.ts";
import { presetOf } from "./presets.ts";
import type { Offer, ServedPair } from "./served.ts";
import { readTool } from "./version.ts";

export interface Served {
  readonly server: PageServer;
  close(): Promise<void>;
}

/**
 * @param plan its models and their recipes are offered; any other recipe may be asked for too
 * @throws UnavailableError when the address is taken
 */
export async function serveModels(plan: Plan, options: Pick<PageServerOptions, "address" | "tls">): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  const models = new Map<string, { readonly planned: PlannedModel; readonly recipes: Set<string> }>();
  for (const { model, recipe } of plan.records) {
    const known = models.get(model.name) ?? { planned: model, recipes: new Set<string>() };
    models.set(model.name, known);
    known.recipes.add(recipe.text);
  }
  const offer: Offer = {
    tool: readTool(),
    seed: plan.seed,
    models: [...models.values()].map(({ planned, recipes }) => ({ name: planned.name, recipes: [...recipes] })),
    targets: ENGINE_NAMES.filter((name) => ["cpu", "wasm", "webgpu"].includes(name)),
  };
  const opened = new Map<string, Promise<PreparedModel>>();
  const pairs = new Map<string, Promise<Uint8Array>>();

  const prepare = async (name: string, text: string): Promise<Uint8Array> => {
    const model = models.get(name);
    if (model === undefined) throw new UsageError(`model ${name}: is not served, expected one of ${[...models.keys()].join(", ")}`);
    const recipe = parseRecipe(text);
    const known = opened.get(name) ?? prepareModel(model.planned, folder);
    opened.set(name, known);
    const { paritySamples } = presetOf("quick");
    const pair = await preparePair(await known, recipe, { folder, seed: plan.seed, paritySamples });
    const graph = pair.graphPath.slice(folder.length + 1);
    server.allow(graph, pair.graphPath);
    const { size, compute, steps, inputs } = pair;
    const served: ServedPair = { recipe, graph, size, compute, steps, inputs };
    return encodeMessage(served);
  };
  /** Each once; a failure may be another time's success. */
  const pairOf = (query: URLSearchParams): Promise<Uint8Array> => {
    const name = query.get("model") ?? "";
    const recipe = query.get("recipe") ?? "";
    const key = `${name} ${recipe}`;
    const pair = pairs.get(key) ?? prepare(name, recipe);
    pairs.set(key, pair);
    pair.catch(() => pairs.delete(key));
    return pair;
  };

  const routes = { ...PAGE_ROUTES, offer: { content: JSON.stringify(offer) }, pair: { make: pairOf } };
  const server = await PageServer.start({ ...options, routes });
  return {
    server,
    close: async () => {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
