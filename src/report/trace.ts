/** A profile in the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open: ops one after the other. */

export interface TraceOp {
  readonly node: string;
  readonly op: string;
  readonly kernel: string;
  readonly ms: number;
}

/** Format: "Trace Event Format" of the Chromium project, complete events (ph X), times in microseconds. */
export function traceText(title: string, ops: readonly TraceOp[]): string {
  const process = { name: "process_name", ph: "M", pid: 1, tid: 1, args: { name: title } };
  let ts = 0;
  const events = ops.map(({ node, op, kernel, ms }) => {
    const dur = ms * 1000;
    const event = { name: `${op} ${node}`, cat: op, ph: "X", ts, dur, pid: 1, tid: 1, args: { kernel } };
    ts += dur;
    return event;
  });
  return `${JSON.stringify({ displayTimeUnit: "ns", traceEvents: [process, ...events] })}\n`;
}
