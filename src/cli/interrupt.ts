/** Ctrl-C and termination of commands that measure for minutes. */

/** Ctrl-C once: end the children, keep and print what is done. Twice: leave at once. */
export class Interrupt {
  readonly #controller = new AbortController();
  exitCode: 130 | 143 = 130;
  readonly #onInt = (): void => this.#stop(130);
  readonly #onTerm = (): void => this.#stop(143);

  constructor() {
    process.on("SIGINT", this.#onInt);
    process.on("SIGTERM", this.#onTerm);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  release(): void {
    process.off("SIGINT", this.#onInt);
    process.off("SIGTERM", this.#onTerm);
  }

  #stop(exitCode: 130 | 143): void {
    if (this.#controller.signal.aborted) process.exit(exitCode);
    this.exitCode = exitCode;
    this.#controller.abort();
  }
}
