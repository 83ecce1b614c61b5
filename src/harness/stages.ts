/**
 * Stages of recipes in a folder: behind each step a `.slim` archive with the graph, and beside it what the steps reported and promised. File names are
 * hashes of all that a stage depends on, so a recipe that begins like an earlier one, on the same model and samples, goes on where they part.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { checkPromises } from "../compress/promises.ts";
import type { Promised } from "../compress/promises.ts";
import type { Stage, StageStore } from "../compress/steps.ts";
import { FormatError, UsageError } from "../errors.ts";
import { exportSlim } from "../formats/slim/export.ts";
import { readSlim } from "../formats/slim/import.ts";
import { readDocument } from "../results/document.ts";
import { writeFileAtomic } from "../results/store.ts";
import { packageVersion } from "./version.ts";

const STAGE_SCHEMA = "slimbench/stage@1";

const promiseOf = { layer: z.string(), tensor: z.string(), by: z.string() };
const count = z.number().int().nonnegative();
const promiseSchema = z.discriminatedUnion("kind", [
  // The mask in runs of kept and pruned weights, in turn.
  z.object({ ...promiseOf, kind: z.literal("zeroMask"), runs: z.array(count) }),
  z.object({ ...promiseOf, kind: z.literal("int8Grid"), limit: count.optional() }),
  z.object({ ...promiseOf, kind: z.literal("distinct"), most: count, axis: count.optional() }),
  z.object({ ...promiseOf, kind: z.literal("float16Grid") }),
  z.object({ ...promiseOf, kind: z.literal("int4Grid") }),
  z.object({ ...promiseOf, kind: z.literal("int8Code") }),
  z.object({ ...promiseOf, kind: z.literal("shape"), shape: z.array(count) }),
]);
type StoredPromise = z.infer<typeof promiseSchema>;

const stageSchema = z.object({
  schema: z.literal(STAGE_SCHEMA),
  /** SHA-256 of the archive. */
  graph: z.string(),
  steps: z
    .array(
      z.object({
        step: z.string(),
        layers: z.array(z.string()),
        skipped: z.array(z.object({ layer: z.string(), op: z.string(), why: z.string() })),
        notes: z.array(z.string()).optional(),
      }),
    )
    .min(1),
  promises: z.array(promiseSchema),
});

const DOCUMENT = { schemaName: STAGE_SCHEMA, what: "slimbench stage", remake: "Delete it and run the recipe again", schema: stageSchema };

export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

export class StageFolder implements StageStore {
  readonly #folder: string;
  readonly #identity: string;
  #takenUp: string | undefined;

  /**
   * @param identity everything besides the steps that their results depend on, as JSON
   * @throws UsageError where the folder cannot be made
   */
  constructor(folder: string, identity: object) {
    this.#folder = folder;
    this.#identity = JSON.stringify([packageVersion(), identity]);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw new UsageError(`--stages ${folder}: cannot be made, ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Text of the steps that were not run again. */
  get takenUp(): string | undefined {
    return this.#takenUp;
  }

  /** @throws FormatError for a stage that is damaged, or whose graph breaks what it promised */
  find(steps: readonly string[]): Stage | undefined {
    const path = this.#path(steps);
    if (!existsSync(`${path}.json`)) return undefined;
    const stored = readDocument(DOCUMENT, `${path}.json`);
    const archive = existsSync(`${path}.slim`) ? readFileSync(`${path}.slim`) : new Uint8Array(0);
    if (sha256(archive) !== stored.graph || stored.steps.map(({ step }) => step).join("+") !== steps.join("+"))
      throw new FormatError(`${path}.slim: is not what ${path}.json says. ${DOCUMENT.remake}`);
    const { graph } = readSlim(archive, `${path}.slim`);
    const elements = (tensor: string): number => graph.tensors.get(tensor)?.data?.length ?? 0;
    const promises = stored.promises.map((promise) => revived(promise, elements(promise.tensor), `${path}.json`));
    const recipe = steps.join("+");
    checkPromises(graph, promises, `${recipe} (kept)`);
    this.#takenUp = recipe;
    const reports = stored.steps.map(({ notes, ...report }) => ({ ...report, ...(notes && { notes }) }));
    return { graph, steps: reports, promises };
  }

  keep(steps: readonly string[], { graph, steps: reports, promises }: Stage): void {
    const path = this.#path(steps);
    const archive = exportSlim(graph, { recipe: steps.join("+") });
    const document = { schema: STAGE_SCHEMA, graph: sha256(archive), steps: reports, promises: promises.map(stored) };
    // The archive first: whoever finds the document finds what it names.
    writeFileAtomic(`${path}.slim`, archive, "--stages");
    writeFileAtomic(`${path}.json`, `${JSON.stringify(document)}\n`, "--stages");
  }

  #path(steps: readonly string[]): string {
    return join(this.#folder, `${steps.length}-${sha256(JSON.stringify([this.#identity, steps])).slice(0, 16)}`);
  }
}

function stored(promise: Promised): StoredPromise {
  if (promise.kind === "shape") return { ...promise, shape: [...promise.shape] };
  if (promise.kind !== "zeroMask") return promise;
  const { zeros, ...rest } = promise;
  const runs: number[] = [];
  for (let at = 0; at < zeros.length;) {
    const begin = at;
    while (at < zeros.length && zeros[at] === runs.length % 2) at++;
    runs.push(at - begin);
  }
  return { ...rest, runs };
}

/** @param elements of the tensor that it is about */
function revived(promise: StoredPromise, elements: number, where: string): Promised {
  switch (promise.kind) {
    case "zeroMask": {
      const { runs, ...rest } = promise;
      const total = runs.reduce((sum, length) => sum + length, 0);
      if (total !== elements)
        throw new FormatError(`${where}: a mask of ${total} weights for "${rest.tensor}", expected ${elements}. ${DOCUMENT.remake}`);
      const zeros = new Uint8Array(elements);
      let at = 0;
      runs.forEach((length, i) => zeros.fill(i % 2, at, (at += length)));
      return { ...rest, zeros };
    }
    case "int8Grid": {
      const { limit, ...rest } = promise;
      return { ...rest, ...(limit !== undefined && { limit }) };
    }
    case "distinct": {
      const { axis, ...rest } = promise;
      return { ...rest, ...(axis !== undefined && { axis }) };
    }
    default:
      return promise;
  }
}
