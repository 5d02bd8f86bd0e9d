import { expect, it } from "vitest";

import { ApiError } from "../api/errors";
import { Permissions } from "./permissions";

/** A server whose answers are given one by one. */
function server() {
  const waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = [];
  return {
    asked: 0,
    call<Answer>(): Promise<Answer> {
      this.asked += 1;
      return new Promise<Answer>((resolve, reject) => waiting.push({ resolve: resolve as (answer: unknown) => void, reject }));
    },
    grant: (...permissions: string[]) => waiting.shift()?.resolve({ results: permissions.map((permission) => ({ permission, allowed: true })) }),
    fail: () => waiting.shift()?.reject(new ApiError({ status: 503 })),
  };
}

it("asks once and allows what was granted, nothing before", async () => {
  const remote = server();
  const permissions = new Permissions(remote);
  const known = Promise.all([permissions.known(), permissions.known()]);
  expect(permissions.allows("users.read")).toBe(false);
  remote.grant("users.read");
  await known;
  expect([permissions.allows("users.read"), permissions.allows("users.write"), remote.asked]).toEqual([true, false, 1]);
});

it("asks again after a failure", async () => {
  const remote = server();
  const permissions = new Permissions(remote);
  const failing = permissions.known();
  remote.fail();
  await expect(failing).rejects.toThrow(ApiError);
  const known = permissions.known();
  remote.grant("users.read");
  await known;
  expect(permissions.allows("users.read")).toBe(true);
});

it("does not give the next person what was asked for the one before", async () => {
  const remote = server();
  const permissions = new Permissions(remote);
  const before = permissions.known();
  permissions.forget();
  const after = permissions.known();
  remote.grant("users.write");
  remote.grant("users.read");
  await Promise.all([before, after]);
  expect([permissions.allows("users.read"), permissions.allows("users.write")]).toEqual([true, false]);
});
