/**
 * JavaScript memory of a page that runs by hand, by `performance.measureUserAgentSpecificMemory`, which waits up to 20 s for a garbage
 * collection. Chrome and its relatives have it, in isolated pages only, and their headless shell refuses. A page that is driven needs
 * none of this: its driver reads the worker's heap.
 */

/** TypeScript's DOM does not know it yet. */
interface MemoryBreakdown {
  readonly bytes: number;
  readonly types: readonly string[];
}
interface Measuring {
  readonly measureUserAgentSpecificMemory?: () => Promise<{ readonly bytes: number; readonly breakdown: readonly MemoryBreakdown[] }>;
}

const LIMIT_MS = 25_000;

/** Bytes; undefined where the browser does not tell, or not in time. */
export async function memoryOf(): Promise<number | undefined> {
  const { measureUserAgentSpecificMemory: measure } = performance as Measuring;
  if (measure === undefined || !crossOriginIsolated) return undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), LIMIT_MS);
  });
  try {
    const measured = await Promise.race([measure.call(performance), late]);
    if (measured === undefined) return undefined;
    const script = measured.breakdown.filter(({ types }) => types.includes("JavaScript"));
    return script.reduce((sum, { bytes }) => sum + bytes, 0);
  } catch {
    // SecurityError: this page may not ask.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
