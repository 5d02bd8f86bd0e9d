// A watched collection: open while somebody looks at it, and a little longer.
import type { ReactiveController, ReactiveControllerHost } from "lit";

import type { Client } from "../api/client";
import type { ApiError } from "../api/errors";
import type { Resource } from "../api/records";
import type { Connection, WatchSource } from "../api/watch";
import { hasLocks } from "./exclusively";
import { Replica } from "./replica";
import { watchShared } from "./shared-watch";

// Going from one page to the next must not cost a new snapshot.
const LINGER_MS = 30_000;

export class WatchedCollection<T extends Resource> extends EventTarget {
  private replica = new Replica<T>();
  private watchers = 0;
  private stop: AbortController | undefined;
  private linger: ReturnType<typeof setTimeout> | undefined;
  private announced = false;
  connection: Connection = "connecting";
  /** Why the watch stands still, if it does. */
  error: ApiError | undefined;

  constructor(
    private readonly client: Client,
    private readonly source: WatchSource<T>,
  ) {
    super();
    // Without locks each tab has its own stream, so a hidden tab gives its connection back: a browser has six for a host.
    if (!hasLocks()) document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.watchers > 0 && this.start()));
  }

  get items(): ReadonlyMap<string, T> {
    return this.replica.items;
  }

  /** Whether the items are known: before the first whole snapshot an empty collection means nothing. */
  get whole(): boolean {
    return this.replica.whole;
  }

  all(): T[] {
    return [...this.replica.items.values()];
  }

  get(id: string): T | undefined {
    return this.replica.items.get(id);
  }

  /** Puts the answer of a write in at once; the watch will bring the same or newer. */
  put(resource: T): void {
    if (!this.replica.whole) return;
    this.replica.apply({ kind: "changed", cursor: "", resource });
    this.announce();
  }

  /** Opens the watch for one more looker; the returned function ends that. */
  open(): () => void {
    clearTimeout(this.linger);
    this.watchers += 1;
    this.start();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.watchers -= 1;
      if (this.watchers === 0) this.linger = setTimeout(() => this.close(), LINGER_MS);
    };
  }

  /** Forgets everything, for the next user. */
  forget(): void {
    this.close();
    this.replica = new Replica<T>();
    this.connection = "connecting";
    this.error = undefined;
    this.announce();
    if (this.watchers > 0) this.start();
  }

  private start(): void {
    if (this.stop) return;
    const stop = new AbortController();
    this.stop = stop;
    const follower = {
      changed: () => this.announce(),
      connection: (state: Connection, error?: ApiError) => {
        this.connection = state;
        this.error = error;
        this.announce();
      },
    };
    void watchShared(this.client, this.source, this.replica, follower, stop.signal).finally(() => {
      // A refused watch is tried again by the next page that needs it.
      if (this.stop === stop) this.stop = undefined;
    });
  }

  private close(): void {
    this.stop?.abort();
    this.stop = undefined;
  }

  /** Once for everything that came in one piece. */
  private announce(): void {
    if (this.announced) return;
    this.announced = true;
    queueMicrotask(() => {
      this.announced = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

/** A collection of whatever. */
export type AnyCollection = WatchedCollection<Resource>;

/** Keeps collections open while an element is on the page, and renders it when they change. */
export class Watching implements ReactiveController {
  private closers: (() => void)[] = [];

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly collections: readonly AnyCollection[],
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    for (const collection of this.collections) {
      collection.addEventListener("change", this.changed);
      this.closers.push(collection.open());
    }
  }

  hostDisconnected(): void {
    for (const collection of this.collections) collection.removeEventListener("change", this.changed);
    for (const close of this.closers.splice(0)) close();
  }

  private readonly changed = (): void => this.host.requestUpdate();
}
