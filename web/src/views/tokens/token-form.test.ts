import { describe, expect, it } from "vitest";

import { emptyForm, mayDo, missing, standingOf, where, wishOf } from "./token-form";

const NOW = new Date("2026-03-01T12:00:00Z");
const form = emptyForm("u1", ["admin", "viewer"]);

describe("wishOf", () => {
  it("asks for all that the roles allow, everywhere, for 90 days", () => {
    expect(wishOf({ ...form, name: " ci " }, NOW)).toEqual({
      name: "ci",
      ownerId: "u1",
      roles: ["admin", "viewer"],
      permissions: [],
      clusterIds: [],
      workloadIds: [],
      repositories: [],
      expireTime: "2026-05-30T12:00:00.000Z",
    });
  });

  it("leaves out what was chosen under a choice that was taken back", () => {
    const wish = wishOf({ ...form, reach: "all", permissions: ["users.write"], limited: false, clusterIds: ["c"], life: "never", lastDay: "2026-04-01" }, NOW);
    expect(wish).toMatchObject({ permissions: [], clusterIds: [], neverExpires: true });
    expect(wish).not.toHaveProperty("expireTime");
  });

  it("ends with the whole of the chosen day", () => {
    const { expireTime } = wishOf({ ...form, life: "date", lastDay: "2026-04-01" }, NOW);
    expect(new Date(expireTime ?? "")).toEqual(new Date("2026-04-01T23:59:59"));
  });
});

describe("missing", () => {
  it("never lets an empty choice become everything", () => {
    expect([...missing({ ...form, roles: [], reach: "chosen", limited: true, life: "date" }).keys()]).toEqual(["roles", "permissions", "limits", "expireTime"]);
    expect(missing({ ...form, reach: "chosen", permissions: ["a.b"], limited: true, repositories: ["r"], life: "date", lastDay: "2026-04-01" }).size).toBe(0);
  });
});

describe("a token in words", () => {
  it("tells what and where", () => {
    expect(mayDo({})).toBe("All its roles allow");
    expect(mayDo({ permissions: ["*.read"] })).toBe("Reading only");
    expect(mayDo({ permissions: ["a.read", "b.read", "c.read"] })).toBe("3 permissions");
    expect(where({})).toBe("everywhere");
    expect(where({ clusterIds: ["1"], repositories: ["a", "b"] })).toBe("1 cluster, 2 repositories");
  });

  it("warns a week before its end", () => {
    expect(standingOf({}, NOW).label).toBe("Active");
    expect(standingOf({ expireTime: "2026-03-05T00:00:00Z" }, NOW).label).toBe("Ends soon");
    expect(standingOf({ expireTime: "2026-03-01T11:59:59Z" }, NOW).label).toBe("Expired");
  });
});
