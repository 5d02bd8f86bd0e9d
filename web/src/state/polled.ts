// What has no watch: read when its page opens, now and then while somebody looks, after each change, and often while it moves.
import type { ReactiveController, ReactiveControllerHost } from "lit";

import { asApiError, type ApiError } from "../api/errors";

const AGAIN_MS = 15_000;
const SOON_MS = 1_000;

export class Polled<T> implements ReactiveController {
  /** What was read last; undefined before the first answer. */
  value: T | undefined;
  /** Why the last reading failed. */
  error: ApiError | undefined;
  private shown = new AbortController();
  private reading: Promise<void> | undefined;
  private soon: ReturnType<typeof setTimeout> | undefined;

  /** `moves` says of what was read whether it will be another in a moment. */
  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly fetch: (signal: AbortSignal) => Promise<T>,
    private readonly moves: (value: T) => boolean = () => false,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.shown = new AbortController();
    void this.follow(this.shown.signal);
  }

  hostDisconnected(): void {
    this.shown.abort();
    clearTimeout(this.soon);
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
    clearTimeout(this.soon);
    try {
      const value = await this.fetch(signal);
      this.value = value;
      this.error = undefined;
      if (!signal.aborted && this.moves(value)) this.soon = setTimeout(() => void this.read(), SOON_MS);
    } catch (error) {
      if (signal.aborted) return;
      this.error = asApiError(error);
    }
    this.host.requestUpdate();
  }
}
