import type { ReactiveControllerHost } from "lit";
import { describe, expect, it } from "vitest";

import { ApiError, unreachable } from "../api/errors";
import { Submission } from "./submission";

class Host implements ReactiveControllerHost {
  updates = 0;
  readonly updateComplete = Promise.resolve(true);
  readonly addController = (): void => undefined;
  readonly removeController = (): void => undefined;
  requestUpdate(): void {
    this.updates += 1;
  }
}

const submission = (): Submission => new Submission(new Host());
const refused = (...fields: string[]): ApiError => new ApiError({ status: 400, violations: fields.map((field) => ({ field, description: `${field} is bad` })) });

/** Sends each intent; answers the keys that were sent. */
async function keysOf(sending: Submission, ...attempts: readonly { intent: unknown; fails?: Error }[]): Promise<string[]> {
  const keys: string[] = [];
  for (const { intent, fails } of attempts) {
    await sending.send((key) => {
      keys.push(key);
      return fails ? Promise.reject(fails) : Promise.resolve();
    }, intent);
  }
  return keys;
}

describe("a submission", () => {
  it("sends the same key again where the answer was lost", async () => {
    const [first, second] = await keysOf(submission(), { intent: { name: "a" }, fails: unreachable(new Error()) }, { intent: { name: "a" } });
    expect(first).toHaveLength(32);
    expect(second).toBe(first);
  });

  it("sends another key for a form that was changed", async () => {
    const [first, second] = await keysOf(submission(), { intent: { name: "a" }, fails: unreachable(new Error()) }, { intent: { name: "b" } });
    expect(second).not.toBe(first);
  });

  it("takes the same form after a success for another intent", async () => {
    const [first, second] = await keysOf(submission(), { intent: { name: "a" } }, { intent: { name: "a" } });
    expect(second).not.toBe(first);
  });

  it("takes the same form after a new beginning for another intent", async () => {
    const sending = submission();
    const [first] = await keysOf(sending, { intent: { name: "a" }, fails: unreachable(new Error()) });
    sending.begin();
    const [second] = await keysOf(sending, { intent: { name: "a" } });
    expect(second).not.toBe(first);
    expect(sending.error).toBeUndefined();
  });

  it("makes one attempt at a time, and has its host drawn at the beginning and the end", async () => {
    const host = new Host();
    const sending = new Submission(host);
    let answer: (value?: unknown) => void = () => undefined;
    const first = sending.send(() => new Promise((resolve) => (answer = resolve)));
    expect([sending.busy, host.updates]).toEqual([true, 1]);
    let again = false;
    expect(await sending.send(() => Promise.resolve(void (again = true)))).toBe(false);
    answer();
    expect(await first).toBe(true);
    expect([sending.busy, host.updates, again]).toEqual([false, 2, false]);
  });

  it("keeps why the last attempt failed, until the next one", async () => {
    const sending = submission();
    expect(await sending.send(() => Promise.reject(refused("name")))).toBe(false);
    expect([sending.wrong("name"), sending.wrong("url"), sending.busy]).toEqual(["name is bad", "", false]);
    expect(await sending.send(() => Promise.resolve())).toBe(true);
    expect([sending.error, sending.wrong("name")]).toEqual([undefined, ""]);
  });

  it("leaves to the box what no field tells", async () => {
    const sending = submission();
    await sending.send(() => Promise.reject(refused("name", "url[1]")));
    expect(sending.elsewhere(["name", "url"])).toBeUndefined();
    await sending.send(() => Promise.reject(refused("name", "labels")));
    expect(sending.elsewhere(["name", "url"])).toBe(sending.error);
    await sending.send(() => Promise.reject(unreachable(new Error())));
    expect(sending.elsewhere(["name", "url"])).toBe(sending.error);
  });
});
