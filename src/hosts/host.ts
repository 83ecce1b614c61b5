/** What every host offers the harness, and the list of all that live, so that an interrupt can end them. */
import type { CommandName, Commands, Progress } from "./protocol.ts";

export interface Host {
  /** Commands are answered one after the other. @throws HostError */
  request<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]>;
  /** Frees the session and everything that the host started. */
  close(): Promise<void>;
  /** Ends it at once; its commands under way reject. */
  kill(): void;
}

export interface HostOptions {
  /** A host that shows no sign of life for so long is ended. */
  readonly silenceMs: number;
  readonly onProgress?: (progress: Progress) => void;
  /** Receives what the far side writes to its standard error or console. */
  readonly onStderr?: (text: string) => void;
}

const living = new Set<Host>();

/** @returns what to call when it is gone */
export function registerHost(host: Host): () => void {
  living.add(host);
  return () => living.delete(host);
}

/** Ends every host at once. */
export function killAllHosts(): void {
  for (const host of living) host.kill();
}
