import { expect, it } from "vitest";

import { ApiError } from "../../api/errors";
import { isOver, refusal } from "./refusals";

const wrong = new ApiError({ status: 401, reason: "CREDENTIALS_INVALID", title: "Credentials invalid", requestId: "r1" });

it("says which step was refused", () => {
  expect([refusal(wrong, "PASSWORD").title, refusal(wrong, "FACTOR_KIND_RECOVERY_CODE").title]).toEqual([
    "Wrong user name or password", "The recovery code was not accepted",
  ]);
  expect(refusal(wrong, "PASSWORD").requestId).toBe("");
});

it("tells when a lockout ends", () => {
  const locked = refusal(new ApiError({ status: 429, reason: "RATE_LIMITED", action: "Wait.", metadata: { retryAfterSeconds: "300" } }), "PASSWORD");
  expect(locked.title).toBe("Too many failed attempts");
  expect(locked.action).toBe("");
  const minutes = ((locked.retryTime?.getTime() ?? 0) - Date.now()) / 60_000;
  expect(minutes).toBeGreaterThan(4.9);
  expect(minutes).toBeLessThanOrEqual(5);
});

it("knows a challenge whose time is over", () => {
  const over = new ApiError({ status: 401, reason: "TOKEN_EXPIRED" });
  expect([isOver(over), isOver(wrong), refusal(over, "FACTOR_KIND_TOTP").action]).toEqual([true, false, "Log in again."]);
});

it("leaves other refusals as they are", () => {
  const down = new ApiError({ status: 503, reason: "UNAVAILABLE", title: "Unavailable" });
  expect(refusal(down, "FACTOR_KIND_TOTP")).toBe(down);
});
