import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ApiError } from "../api/errors";
import type { TokenPair } from "../api/records";
import { Session } from "./session";

class MemoryStorage implements Storage {
  private readonly values = new Map<string, string>();
  get length(): number {
    return this.values.size;
  }
  clear(): void {
    this.values.clear();
  }
  getItem(key: string): string | null {
    return this.values.get(key) ?? null;
  }
  key(index: number): string | null {
    return [...this.values.keys()][index] ?? null;
  }
  removeItem(key: string): void {
    this.values.delete(key);
  }
  setItem(key: string, value: string): void {
    this.values.set(key, value);
  }
}

/** An auth service whose refresh tokens work once, as the real one's do. */
function authority() {
  let made = 0;
  let valid = "";
  const pair = (): TokenPair => {
    made += 1;
    valid = `refresh-${made}`;
    return { identity: { id: "u1", name: "admin" }, accessToken: `access-${made}`, refreshToken: valid };
  };
  return {
    refreshes: 0,
    revoke: () => (valid = ""),
    login: () => Promise.resolve(pair()),
    completeLogin: () => Promise.resolve(pair()),
    async refresh(token: string): Promise<TokenPair> {
      this.refreshes += 1;
      await Promise.resolve();
      if (token !== valid) throw new ApiError({ status: 401, reason: "TOKEN_REVOKED" });
      return pair();
    },
    logout: () => Promise.resolve(),
  };
}

describe("a session", () => {
  // Without Web Locks, as over plain HTTP: the tabs take turns by a lease in their shared storage.
  beforeEach(() => {
    vi.stubGlobal("navigator", {});
    vi.stubGlobal("localStorage", new MemoryStorage());
  });
  afterEach(() => vi.unstubAllGlobals());

  it("is renewed once however many calls were refused at the same time", async () => {
    const auth = authority();
    const session = new Session(new MemoryStorage(), auth);
    await session.login("admin", "x");
    const tokens = await Promise.all([session.renew("access-1"), session.renew("access-1"), session.renew("access-1")]);
    expect(tokens).toEqual(["access-2", "access-2", "access-2"]);
    expect(auth.refreshes).toBe(1);
  });

  it("takes the pair another tab has renewed instead of burning it", async () => {
    const auth = authority();
    const storage = new MemoryStorage();
    const first = new Session(storage, auth);
    await first.login("admin", "x");
    const second = new Session(storage, auth);
    expect(await Promise.all([first.renew("access-1"), second.renew("access-1")])).toEqual(["access-2", "access-2"]);
    expect(auth.refreshes).toBe(1);
  });

  it("says when a renewal has changed what one may do", async () => {
    const auth = authority();
    let identity: TokenPair["identity"] = { id: "u1", name: "admin", mustEnrol: true };
    const session = new Session(new MemoryStorage(), { ...auth, login: async () => ({ ...(await auth.login()), identity }), refresh: async (token) => ({ ...(await auth.refresh(token)), identity }) });
    let changes = 0;
    session.addEventListener("change", () => (changes += 1));
    await session.login("admin", "x");
    await session.refresh();
    expect([changes, session.identity?.mustEnrol]).toEqual([1, true]);
    identity = { id: "u1", name: "admin" };
    await session.refresh();
    expect([changes, session.identity?.mustEnrol]).toEqual([2, undefined]);
  });

  it("ends as expired when its refresh token is refused", async () => {
    const auth = authority();
    const storage = new MemoryStorage();
    const session = new Session(storage, auth);
    await session.login("admin", "x");
    auth.revoke();
    expect(await session.renew("access-1")).toBe("");
    expect([session.identity, session.ending, storage.length]).toEqual([undefined, "expired", 0]);
  });

  it("survives a server that is away", async () => {
    const auth = { ...authority(), refresh: () => Promise.reject(new ApiError({ status: 503 })) };
    const session = new Session(new MemoryStorage(), auth);
    await session.login("admin", "x");
    await expect(session.renew("access-1")).rejects.toMatchObject({ status: 503 });
    expect(session.identity?.name).toBe("admin");
  });

  it("ends here when another tab logs out", async () => {
    const auth = authority();
    const storage = new MemoryStorage();
    const session = new Session(storage, auth);
    await session.login("admin", "x");
    const tab = new EventTarget();
    session.followOtherTabs(tab);
    storage.clear();
    tab.dispatchEvent(Object.assign(new Event("storage"), { key: null }));
    expect([session.identity, session.ending]).toEqual([undefined, "logged-out"]);
  });

  it("takes a damaged record for none", () => {
    const storage = new MemoryStorage();
    storage.setItem("cloudly.session", "{");
    expect(new Session(storage, authority()).identity).toBeUndefined();
  });
});
