/** A place for measurements that ends with the test. */
import type { TuneEntry, TuningStore } from "../../../src/engines/tune/types.ts";

export class MemoryStore implements TuningStore {
  readonly machine = {};
  readonly entries = new Map<string, TuneEntry>();

  load(_machine: string, key: string): Promise<unknown> {
    return Promise.resolve(this.entries.get(key));
  }

  store(_machine: string, key: string, entry: TuneEntry): Promise<void> {
    this.entries.set(key, entry);
    return Promise.resolve();
  }
}
