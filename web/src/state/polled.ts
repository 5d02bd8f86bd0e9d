// What has no watch: read when its page opens, now and then while somebody looks, and after each change.
import type { ReactiveController, ReactiveControllerHost } from "lit";

import { asApiError, type ApiError } from "../api/errors";

const AGAIN_MS = 15_000;

export class Polled<T> implements ReactiveController {
  /** What was read last; undefined before the first answer. */
  value: T | undefined;
  /** Why the last reading failed. */
  error: ApiError | undefined;
  private shown = new AbortController();
  private reading: Promise<void> | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly fetch: (signal: AbortSignal) => Promise<T>,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.shown = new AbortController();
    void this.follow(this.shown.signal);
  }

  hostDisconnected(): void {
    this.shown.abort();
  }

  /** Shows what is there now; a reading that began before a change is followed by one after it. */
  async read(): Promise<void> {
    await this.reading;
    this.reading = this.readOnce(this.shown.signal);
    await this.reading;
  }

  private async follow(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      if (!document.hidden || this.value === undefined) await this.read();
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  private async readOnce(signal: AbortSignal): Promise<void> {
    try {
      this.value = await this.fetch(signal);
      this.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.error = asApiError(error);
    }
    this.host.requestUpdate();
  }
}
