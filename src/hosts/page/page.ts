/** The page around the worker that measures: starts it, shows what it is doing, and passes on how it fails. */

const status = document.getElementById("status");

function show(text: string): void {
  if (status !== null) status.textContent = text;
}

const worker = new Worker("worker.js", { type: "module", name: "slimbench" });
worker.onmessage = ({ data }: MessageEvent<string>) => show(data);
worker.onerror = (event) => {
  show(`Failed: ${event.message}`);
  console.error(`worker: ${event.message}`);
};
