/**
 * What passes between the page and its measuring worker: the worker's state for people, and questions that only a page can answer (is it
 * visible, is it slowed down, how much memory does it use). In a page that runs by hand, requests and replies of the protocol too.
 */
import type { PageWatch, Reply, Request } from "../protocol.ts";

/** Questions, and the types of their answers. */
export interface Answers {
  "watch-begin": true;
  "watch-end": Omit<PageWatch, "workerWaitMs">;
  /** Bytes of JavaScript memory of page and worker; undefined where the browser does not tell. */
  memory: number | undefined;
}
export type Question = keyof Answers;

export type FromWorker =
  | { readonly kind: "status"; readonly text: string }
  | { readonly kind: "ask"; readonly id: number; readonly question: Question }
  | { readonly kind: "reply"; readonly reply: Reply };

export type FromPage =
  | { readonly kind: "answer"; readonly id: number; readonly answer: Answers[Question] }
  | { readonly kind: "request"; readonly request: Request };

/** Part of the worker's address where a program drives it over a WebSocket; without it, its page does. */
export const DRIVEN = "driven";
