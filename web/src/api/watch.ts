// Watching a collection: the gateway's event stream over fetch, reconnected for as long as it is wanted.
import type { Client } from "./client";
import { ApiError } from "./errors";
import { EventParser } from "./sse";
import type { Resource } from "./records";

/** snapshot (one a resource), then bookmark (the snapshot is whole), then changed and deleted as they happen. */
export type WatchEvent<T extends Resource> =
  | { kind: "snapshot" | "changed" | "deleted"; cursor: string; resource: T }
  | { kind: "bookmark"; cursor: string };

export type Connection = "connecting" | "live" | "waiting" | "refused";

export interface Watcher<T extends Resource> {
  /** The stream begins from nothing: a snapshot follows. */
  restarted(): void;
  received(event: WatchEvent<T>): void;
  /** `refused` is final (403, 404…); "waiting" is between two attempts. */
  connection(state: Connection, error?: ApiError): void;
}

export interface WatchSource<T extends Resource> {
  path: string;
  /** The key of the resource in a message, such as "cluster". */
  key: string;
  /** Only for the type. */
  sample?: T;
}

// The gateway sends a comment now and then; a stream silent for longer than this is dead though TCP has not noticed.
const SILENCE_MS = 60_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** Watches until the signal is aborted. Begins behind `cursor`, or with a snapshot when it is "". */
export async function watch<T extends Resource>(
  client: Client,
  source: WatchSource<T>,
  cursor: string,
  watcher: Watcher<T>,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  const stopped = (): boolean => signal.aborted;
  for (;;) {
    if (stopped()) return;
    watcher.connection("connecting");
    try {
      if (cursor === "") watcher.restarted();
      cursor = await readOnce(client, source, cursor, watcher, signal, (at) => {
        cursor = at;
        failures = 0;
      });
    } catch (error) {
      if (stopped()) return;
      if (error instanceof ApiError && isFinal(error)) {
        watcher.connection("refused", error);
        return;
      }
      // The server no longer knows the cursor (410): everything is read again.
      if (error instanceof ApiError && error.status === 410) cursor = "";
      watcher.connection("waiting", error instanceof ApiError ? error : undefined);
    }
    await pause(backOff(failures++), signal);
  }
}

/** How long to wait before the next attempt, in milliseconds: doubling, bounded, with jitter against herds. */
export function backOff(failures: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
  return full / 2 + (full / 2) * random();
}

/** A message of the stream as an event; undefined for names this client does not know (newer servers may add some). */
export function readEvent<T extends Resource>(event: string, data: string, id: string, key: string): WatchEvent<T> | undefined {
  const message = JSON.parse(data) as { cursor?: string } & Record<string, unknown>;
  const cursor = id === "" ? (message.cursor ?? "") : id;
  if (event === "bookmark") return { kind: "bookmark", cursor };
  if (event !== "snapshot" && event !== "changed" && event !== "deleted") return undefined;
  const resource = message[key] as T | undefined;
  return resource === undefined ? undefined : { kind: event, cursor, resource };
}

function isFinal(error: ApiError): boolean {
  return [400, 401, 403, 404, 405, 501].includes(error.status);
}

/** One connection, to its end. Returns the last cursor. */
async function readOnce<T extends Resource>(
  client: Client,
  source: WatchSource<T>,
  cursor: string,
  watcher: Watcher<T>,
  signal: AbortSignal,
  moved: (cursor: string) => void,
): Promise<string> {
  const silence = new AbortController();
  const either = AbortSignal.any([signal, silence.signal]);
  const response = await client.open(source.path, {
    accept: "text/event-stream",
    signal: either,
    query: { cursor },
  });
  if (!response.body) throw new ApiError({ title: "The watch has no body", status: response.status });
  const parser = new EventParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  watcher.connection("live");
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return cursor;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      for (const { event, data, id } of parser.push(value)) {
        if (event === "error") {
          const error = new ApiError(JSON.parse(data) as Record<string, never>);
          // The login that opened the stream has ended: opening it anew renews the login, or ends the session here too.
          if (error.status === 401) return cursor;
          throw error;
        }
        const change = readEvent<T>(event, data, id, source.key);
        if (!change) continue;
        watcher.received(change);
        // A cursor from inside a snapshot does not cover what had not come yet; only a whole one can be resumed.
        if (change.cursor !== "" && change.kind !== "snapshot") moved((cursor = change.cursor));
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    // The network is back: no reason to wait longer.
    addEventListener("online", done, { once: true });
    signal.addEventListener("abort", done, { once: true });
  });
}
