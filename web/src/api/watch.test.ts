import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Client } from "./client";
import type { ApiError } from "./errors";
import type { Cluster } from "./records";
import { backOff, readEvent, watch, type Connection, type WatchEvent } from "./watch";

/** A server that answers each connection with the next of the given answers, then stays silent. */
class Server {
  readonly cursors: string[] = [];
  constructor(private readonly answers: (Response | (() => Response))[]) {}

  readonly fetch = (address: string, init?: RequestInit): Promise<Response> => {
    this.cursors.push(new URL(address, "http://cloudly").searchParams.get("cursor") ?? "");
    const next = this.answers.shift();
    if (next) return Promise.resolve(typeof next === "function" ? next() : next);
    return new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError"))));
  };
}

const stream = (text: string): Response => new Response(text, { headers: { "content-type": "text/event-stream" } });
const problem = (status: number): Response => new Response(JSON.stringify({ status, title: "no" }), { status, headers: { "content-type": "application/problem+json" } });
const say = (event: string, id: string, name?: string): string => `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(name ? { cluster: { id: name, name } } : {})}\n\n`;

function observe(): { log: string[]; states: Connection[]; errors: (ApiError | undefined)[]; watcher: Parameters<typeof watch<Cluster>>[3] } {
  const log: string[] = [];
  const states: Connection[] = [];
  const errors: (ApiError | undefined)[] = [];
  return {
    log, states, errors,
    watcher: {
      restarted: () => log.push("restarted"),
      received: (event: WatchEvent<Cluster>) => log.push(event.kind === "bookmark" ? `bookmark ${event.cursor}` : `${event.kind} ${event.resource.id}`),
      connection: (state, error) => {
        states.push(state);
        errors.push(error);
      },
    },
  };
}

describe("watching", () => {
  const client = new Client({ current: () => "token", renew: () => Promise.resolve("") });
  const source = { path: "/api/v1/clusters:watch", key: "cluster" };

  beforeEach(() => {
    vi.useFakeTimers();
    // Node has no window to tell that the network is back.
    vi.stubGlobal("addEventListener", () => undefined);
    vi.stubGlobal("removeEventListener", () => undefined);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  async function run(answers: Response[], until: (server: Server) => boolean): Promise<ReturnType<typeof observe> & { server: Server }> {
    const server = new Server(answers);
    vi.stubGlobal("fetch", server.fetch);
    const stop = new AbortController();
    const seen = observe();
    const done = watch<Cluster>(client, source, "", seen.watcher, stop.signal);
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(20_000);
      expect(until(server)).toBe(true);
    });
    stop.abort();
    await done;
    return { ...seen, server };
  }

  it("goes on behind the last cursor when the stream ends", async () => {
    const first = stream(say("snapshot", "1", "a") + say("bookmark", "1") + say("changed", "2", "a"));
    const { log, server } = await run([first], ({ cursors }) => cursors.length === 2);
    expect(log).toEqual(["restarted", "snapshot a", "bookmark 1", "changed a"]);
    expect(server.cursors).toEqual(["", "2"]);
  });

  it("starts again when the stream ends inside the snapshot: half of one cannot be resumed", async () => {
    const { log, server } = await run([stream(say("snapshot", "1", "a"))], ({ cursors }) => cursors.length === 2);
    expect(server.cursors).toEqual(["", ""]);
    expect(log).toEqual(["restarted", "snapshot a", "restarted"]);
  });

  it("starts again with a snapshot when the server has lost the cursor (410)", async () => {
    const { server, log } = await run([stream(say("bookmark", "5")), problem(410), stream(say("snapshot", "9", "b") + say("bookmark", "9"))], ({ cursors }) => cursors.length === 4);
    expect(server.cursors).toEqual(["", "5", "", "9"]);
    expect(log).toEqual(["restarted", "bookmark 5", "restarted", "snapshot b", "bookmark 9"]);
  });

  it("waits and tries again when the server is away", async () => {
    const { states, server } = await run([problem(503), problem(503)], ({ cursors }) => cursors.length === 3);
    expect(states.slice(0, 4)).toEqual(["connecting", "waiting", "connecting", "waiting"]);
    expect(server.cursors).toEqual(["", "", ""]);
  });

  it("opens the stream anew when the login behind it ends, and goes on behind the last cursor", async () => {
    const ended = 'event: error\ndata: {"status":401,"reason":"TOKEN_EXPIRED"}\n\n';
    const { states, log, server } = await run([stream(say("snapshot", "1", "a") + say("bookmark", "1") + ended)], ({ cursors }) => cursors.length === 2);
    expect(server.cursors).toEqual(["", "1"]);
    expect(log).toEqual(["restarted", "snapshot a", "bookmark 1"]);
    expect(states).not.toContain("refused");
  });

  it("gives up when the login that has ended cannot be renewed", async () => {
    const ended = 'event: error\ndata: {"status":401,"reason":"TOKEN_REVOKED"}\n\n';
    const { states } = await run([stream(say("bookmark", "1") + ended), problem(401)], ({ cursors }) => cursors.length === 2);
    expect(states).toEqual(["connecting", "live", "connecting", "refused"]);
  });

  it("gives up, and says why, when it may not watch", async () => {
    const { states, errors } = await run([problem(403)], ({ cursors }) => cursors.length === 1);
    expect(states).toEqual(["connecting", "refused"]);
    expect(errors.at(-1)?.status).toBe(403);
  });
});

it("waits longer with each failure, at most fifteen seconds, never in step with others", () => {
  expect(backOff(0, () => 1)).toBe(500);
  expect(backOff(3, () => 1)).toBe(4000);
  expect(backOff(50, () => 1)).toBe(15_000);
  expect(backOff(3, () => 0)).toBe(2000);
});

it("skips events of a name it does not know", () => {
  expect(readEvent("paused", "{}", "1", "cluster")).toBeUndefined();
  expect(readEvent("bookmark", '{"cursor":"4"}', "", "cluster")).toEqual({ kind: "bookmark", cursor: "4" });
});
