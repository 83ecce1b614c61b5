/** The page around the worker that measures. A program that drives it says so in its address; otherwise somebody opened it by hand. */
import { DRIVEN } from "./channel.ts";
import { listenTo } from "./guard.ts";

/** Bundled apart, from src/web; a name that the bundler does not follow. */
const BY_HAND = new URL("by-hand.js", import.meta.url).href;

const status = document.getElementById("status");

function show(text: string): void {
  if (status !== null) status.textContent = text;
}

function startDriven(): void {
  const worker = new Worker(`worker.js?${DRIVEN}`, { type: "module", name: "slimbench" });
  listenTo(worker, (message) => {
    if (message.kind === "status") show(message.text);
  });
  worker.onerror = (event) => {
    show(`Failed: ${event.message}`);
    console.error(`worker: ${event.message}`);
  };
}

if (new URLSearchParams(location.search).has(DRIVEN)) startDriven();
else void import(BY_HAND);
