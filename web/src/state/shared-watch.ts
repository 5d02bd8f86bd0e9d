// One event stream for each collection in the whole browser. Over plain HTTP a browser opens at most six connections to a
// host; with a stream for each collection in each tab the third tab would wait for ever. So the tabs elect one by a lock:
// it watches and tells the others, and when it closes the next one goes on behind the same cursor.
import type { Client } from "../api/client";
import { ApiError, type Problem } from "../api/errors";
import type { Resource } from "../api/records";
import { watch, type Connection, type WatchEvent, type WatchSource } from "../api/watch";
import { hasLocks } from "./exclusively";
import { Replica } from "./replica";

type Message<T extends Resource> =
  | { kind: "ask" }
  | { kind: "state"; items: T[]; cursor: string; connection: Connection }
  | { kind: "event"; event: WatchEvent<T> }
  | { kind: "connection"; connection: Connection; problem?: Problem };

export interface Follower {
  /** The replica's items or its being whole changed. */
  changed(): void;
  connection(state: Connection, error?: ApiError): void;
}

/** Keeps the replica current until the signal is aborted. */
export async function watchShared<T extends Resource>(
  client: Client,
  source: WatchSource<T>,
  replica: Replica<T>,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  if (!hasLocks()) {
    await lead(client, source, replica, follower, signal, () => undefined);
    return;
  }
  const name = `cloudly.watch ${source.path}`;
  const channel = new BroadcastChannel(name);
  const tell = (message: Message<T>): void => channel.postMessage(message);
  let leading = false;
  let connection: Connection = "connecting";
  const told: Follower = {
    changed: () => follower.changed(),
    connection: (state, error) => {
      connection = state;
      follower.connection(state, error);
    },
  };
  channel.onmessage = ({ data }: MessageEvent<Message<T>>) => {
    if (!leading) follow(data, replica, follower);
    else if (data.kind === "ask" && replica.whole) tell({ kind: "state", items: [...replica.items.values()], cursor: replica.cursor, connection });
  };
  tell({ kind: "ask" });
  try {
    await navigator.locks.request(name, { signal }, async () => {
      leading = true;
      await lead(client, source, replica, told, signal, tell);
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    channel.close();
  }
}

async function lead<T extends Resource>(
  client: Client,
  source: WatchSource<T>,
  replica: Replica<T>,
  follower: Follower,
  signal: AbortSignal,
  tell: (message: Message<T>) => void,
): Promise<void> {
  let snapshotting = false;
  await watch<T>(client, source, replica.cursor, {
    restarted: () => {
      snapshotting = true;
      replica.restart();
    },
    received: (event) => {
      const changed = replica.apply(event);
      if (!snapshotting) tell({ kind: "event", event });
      else if (event.kind === "bookmark") {
        // The others get the snapshot whole: one that began to listen in its middle would have half of it.
        snapshotting = false;
        tell({ kind: "state", items: [...replica.items.values()], cursor: replica.cursor, connection: "live" });
      }
      if (changed) follower.changed();
    },
    connection: (state, error) => {
      follower.connection(state, error);
      tell({ kind: "connection", connection: state, ...(error ? { problem: problemAgain(error) } : {}) });
    },
  }, signal);
}

function follow<T extends Resource>(message: Message<T>, replica: Replica<T>, follower: Follower): void {
  if (message.kind === "state") {
    replica.adopt(message.items, message.cursor);
    follower.connection(message.connection);
    follower.changed();
  } else if (message.kind === "event") {
    // Without a whole state there is nothing to apply a change to; the state that was asked for comes.
    if (replica.whole && replica.apply(message.event)) follower.changed();
  } else if (message.kind === "connection") {
    follower.connection(message.connection, message.problem ? new ApiError(message.problem) : undefined);
  }
}

function problemAgain(error: ApiError): Problem {
  const { status, title, detail, action, reason, requestId } = error;
  return { status, title, detail, action, reason, requestId };
}
