/** The page's answers to its worker: whether somebody could see it while it was timed, whether its timers kept time, and its memory. */
import { memoryOf } from "./memory.ts";
import type { Answers, FromPage, FromWorker, Question } from "./channel.ts";

/** Often enough to tell 100 ms from the second that browsers make of it in a page that nobody sees; rare enough to cost nothing. */
const TICK_MS = 100;

interface Watch {
  readonly begin: number;
  readonly timer: ReturnType<typeof setInterval>;
  ticks: number;
  hiddenMs: number;
  hiddenSince: number | undefined;
}

let current: Watch | undefined;

function beginWatch(): true {
  if (current !== undefined) endWatch();
  const begin = performance.now();
  const watch: Watch = {
    begin,
    timer: setInterval(() => watch.ticks++, TICK_MS),
    ticks: 0,
    hiddenMs: 0,
    hiddenSince: document.visibilityState === "hidden" ? begin : undefined,
  };
  current = watch;
  return true;
}

document.addEventListener("visibilitychange", () => {
  if (current === undefined) return;
  const now = performance.now();
  if (document.visibilityState === "hidden") current.hiddenSince ??= now;
  else settleHidden(current, now);
});

function settleHidden(watch: Watch, now: number): void {
  if (watch.hiddenSince !== undefined) watch.hiddenMs += now - watch.hiddenSince;
  watch.hiddenSince = undefined;
}

function endWatch(): Answers["watch-end"] {
  const watch = current;
  current = undefined;
  if (watch === undefined) return { ms: 0, hiddenMs: 0, tickedMs: TICK_MS, tickMs: TICK_MS };
  clearInterval(watch.timer);
  const now = performance.now();
  settleHidden(watch, now);
  const ms = now - watch.begin;
  // The tick that is still to come counts as one: a page that never ticked in 3 s has waited for 3 s.
  return { ms, hiddenMs: watch.hiddenMs, tickedMs: ms / (watch.ticks + 1), tickMs: TICK_MS };
}

async function answer(question: Question): Promise<Answers[Question]> {
  switch (question) {
    case "watch-begin":
      return beginWatch();
    case "watch-end":
      return endWatch();
    case "memory":
      return memoryOf();
  }
}

/** Answers the worker's questions and hands everything else on. */
export function listenTo(worker: Worker, other: (message: Exclude<FromWorker, { readonly kind: "ask" }>) => void): void {
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.kind !== "ask") {
      other(data);
      return;
    }
    void answer(data.question).then((value) => {
      const message: FromPage = { kind: "answer", id: data.id, answer: value };
      worker.postMessage(message);
    });
  });
}
