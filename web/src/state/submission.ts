// What somebody sends from a form: one attempt at a time, why the last one failed, and an idempotency key for the intent.
import type { ReactiveController, ReactiveControllerHost } from "lit";

import { newKey } from "../api/client";
import { asApiError, type ApiError } from "../api/errors";

const NONE: ReadonlyMap<string, string> = new Map();

export class Submission implements ReactiveController {
  /** An attempt is under way. */
  busy = false;
  /** Why the last attempt failed. */
  error: ApiError | undefined;
  private key = "";
  /** What the key stands for. */
  private intent: string | undefined;

  constructor(private readonly host: ReactiveControllerHost) {
    host.addController(this);
  }

  hostDisconnected(): void {
    this.begin();
  }

  /** Begins anew: nothing has failed yet, and what is sent next is another intent even if it looks the same. */
  begin(): void {
    this.error = undefined;
    // It may hold a secret that was typed.
    this.intent = undefined;
    this.host.requestUpdate();
  }

  /**
   * Answers whether it was done; while an attempt is under way nothing is. `act` gets an idempotency key: the same one for
   * the same intent until that is done, so that a retry after a lost answer makes nothing twice, and another one for a form
   * that was changed, which a server must not take for a retry.
   */
  async send(act: (key: string) => Promise<unknown>, intent?: unknown): Promise<boolean> {
    if (this.busy) return false;
    const meant = JSON.stringify(intent ?? null);
    if (meant !== this.intent) this.key = newKey();
    this.intent = meant;
    this.error = undefined;
    this.busy = true;
    this.host.requestUpdate();
    try {
      await act(this.key);
      this.intent = undefined;
      return true;
    } catch (error) {
      this.error = asApiError(error);
      return false;
    } finally {
      this.busy = false;
      this.host.requestUpdate();
    }
  }

  get violations(): ReadonlyMap<string, string> {
    return this.error?.violations ?? NONE;
  }

  /** What is wrong with a field; "" when nothing is. */
  wrong(field: string): string {
    return this.violations.get(field) ?? "";
  }

  /** The error for the box of the form: undefined where each violation is told at one of these fields, or at an item of one. */
  elsewhere(told: readonly string[]): ApiError | undefined {
    const fields = [...this.violations.keys()];
    return fields.length > 0 && fields.every((field) => told.includes(field.replace(/\[\d+\]$/, ""))) ? undefined : this.error;
  }
}
