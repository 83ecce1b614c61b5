/**
 * A profile in the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open: ops where the GPU's clock saw them
 * begin, else one after the other. A GPU has a track of its own, beside the host's wait for it.
 */

export interface TraceOp {
  readonly node: string;
  readonly op: string;
  /** Of the kernel, and of what is fused into it. */
  readonly nodes: readonly string[];
  readonly ops: readonly string[];
  readonly kernel: string;
  readonly ms: number;
  readonly startMs?: number;
}

const [HOST, GPU] = [1, 2];

/**
 * Format: "Trace Event Format" of the Chromium project, complete events (ph X), times in microseconds.
 * @param wallMs of an inference on a GPU, from submit to mapped outputs; the two clocks share no zero, so both tracks begin at 0
 */
export function traceText(title: string, ops: readonly TraceOp[], wallMs?: number): string {
  const name = (what: "process_name" | "thread_name", tid: number, text: string): object => ({
    name: what,
    ph: "M",
    pid: 1,
    tid,
    args: { name: text },
  });
  const onGpu = wallMs !== undefined;
  const tid = onGpu ? GPU : HOST;
  let end = 0;
  const events = ops.map(({ node, op, nodes, ops: contained, kernel, ms, startMs }) => {
    const dur = ms * 1000;
    const ts = startMs === undefined ? end : Math.max(end, startMs * 1000);
    end = ts + dur;
    return { name: `${contained.join("+")} ${node}`, cat: op, ph: "X", ts, dur, pid: 1, tid, args: { kernel, nodes } };
  });
  const host = onGpu
    ? [
        name("thread_name", HOST, "host"),
        name("thread_name", GPU, "GPU, one pass a kernel"),
        { name: "inference, submit to mapped outputs", cat: "host", ph: "X", ts: 0, dur: wallMs * 1000, pid: 1, tid: HOST, args: {} },
      ]
    : [];
  return `${JSON.stringify({ displayTimeUnit: "ns", traceEvents: [name("process_name", HOST, title), ...host, ...events] })}\n`;
}
