import { describe, expect, it } from "vitest";

import type { Resource } from "../api/records";
import type { WatchEvent } from "../api/watch";
import { Replica } from "./replica";

const one = (id: string, name = id): Resource => ({ id, name });
const say = (kind: "snapshot" | "changed" | "deleted", cursor: string, resource: Resource): WatchEvent<Resource> => ({ kind, cursor, resource });

function whole(): Replica<Resource> {
  const replica = new Replica();
  replica.restart();
  replica.apply(say("snapshot", "1", one("a")));
  replica.apply(say("snapshot", "1", one("b")));
  replica.apply({ kind: "bookmark", cursor: "1" });
  return replica;
}

describe("a replica", () => {
  it("shows nothing of a snapshot until it is whole, then all of it at once", () => {
    const replica = new Replica();
    replica.restart();
    expect(replica.apply(say("snapshot", "1", one("a")))).toBe(false);
    expect([replica.items.size, replica.whole]).toEqual([0, false]);
    expect(replica.apply({ kind: "bookmark", cursor: "1" })).toBe(true);
    expect([[...replica.items.keys()], replica.whole, replica.cursor]).toEqual([["a"], true, "1"]);
  });

  it("keeps showing the old items while a new snapshot comes, and forgets what is not in it", () => {
    const replica = whole();
    replica.restart();
    replica.apply(say("snapshot", "9", one("b", "new")));
    expect([...replica.items.values()].map(({ name }) => name)).toEqual(["a", "b"]);
    replica.apply({ kind: "bookmark", cursor: "9" });
    expect([...replica.items.values()]).toEqual([one("b", "new")]);
  });

  it("cannot be resumed from inside a snapshot", () => {
    const replica = whole();
    replica.restart();
    replica.apply(say("snapshot", "9", one("b")));
    expect(replica.cursor).toBe("");
  });

  it("applies changes and deletions at once and moves its cursor", () => {
    const replica = whole();
    const before = replica.items;
    replica.apply(say("changed", "2", one("a", "renamed")));
    replica.apply(say("deleted", "3", one("b")));
    expect([...replica.items.values()]).toEqual([one("a", "renamed")]);
    expect(replica.cursor).toBe("3");
    expect([...before.keys()]).toEqual(["a", "b"]);
  });

  it("takes a change with a delete time for a deletion", () => {
    const replica = whole();
    replica.apply(say("changed", "2", { ...one("a"), deleteTime: "2026-01-01T00:00:00Z" }));
    expect([...replica.items.keys()]).toEqual(["b"]);
  });

  it("is not changed by a deletion of what it never had, nor by a mere bookmark", () => {
    const replica = whole();
    expect(replica.apply(say("deleted", "2", one("z")))).toBe(false);
    expect(replica.apply({ kind: "bookmark", cursor: "7" })).toBe(false);
    expect(replica.cursor).toBe("7");
  });

  it("takes a whole state over from another tab", () => {
    const replica = new Replica();
    replica.adopt([one("x")], "12");
    expect([[...replica.items.keys()], replica.whole, replica.cursor]).toEqual([["x"], true, "12"]);
  });
});
