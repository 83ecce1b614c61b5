/** The worker's side of the channel to its page. */
import type { Answers, FromPage, FromWorker, Question } from "./channel.ts";

/** What we use of a dedicated worker's scope; TypeScript knows either a page's globals or a worker's. */
interface WorkerScope {
  postMessage(message: FromWorker): void;
  addEventListener(type: "message", listener: (event: MessageEvent<FromPage>) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const waiting = new Map<number, (answer: Answers[Question]) => void>();
let nextId = 1;

export function tellPage(message: FromWorker): void {
  scope.postMessage(message);
}

export function askPage<Q extends Question>(question: Q): Promise<Answers[Q]> {
  const id = nextId++;
  return new Promise((resolve) => {
    waiting.set(id, resolve as (answer: Answers[Question]) => void);
    tellPage({ kind: "ask", id, question });
  });
}

/** @param onRequest receives what the page asks of the engine */
export function listenToPage(onRequest: (request: Extract<FromPage, { readonly kind: "request" }>["request"]) => void): void {
  scope.addEventListener("message", ({ data }) => {
    if (data.kind === "request") {
      onRequest(data.request);
      return;
    }
    waiting.get(data.id)?.(data.answer);
    waiting.delete(data.id);
  });
}
