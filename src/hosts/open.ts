/** Where an engine can live, and how to start it there. */
import { BrowserHost } from "./browser/host.ts";
import type { BrowserSource } from "./browser/source.ts";
import type { Host, HostOptions } from "./host.ts";
import { NodeHost } from "./node.ts";

export type HostPlace =
  | {
      readonly kind: "node";
      /** Added to the child's environment: where the GPU driver lies. */
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly kind: "browser"; readonly source: BrowserSource };

export interface OpenOptions extends HostOptions {
  /** Another child script, for tests. */
  readonly childPath?: string | undefined;
}

/** @throws UnavailableError when a browser does not start */
export async function openHost(place: HostPlace, { childPath, ...options }: OpenOptions): Promise<Host> {
  if (place.kind === "browser") return BrowserHost.open({ ...options, source: place.source });
  return new NodeHost({ ...options, env: place.env, ...(childPath === undefined ? {} : { childPath }) });
}
