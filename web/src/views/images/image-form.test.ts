import { expect, it } from "vitest";

import type { Image } from "../../api/records";
import { changesOf, formOf, missing, rulesOf } from "./image-form";

const image: Image = {
  id: "i",
  name: "app",
  description: "The app.",
  public: true,
  quotaBytes: String(1.5 * 1024 ** 3),
  immutableTags: ["v*"],
  retention: [{ tagPattern: "ci-*", keepLast: 5 }],
};

it("goes into a form and back without a change", () => {
  expect(changesOf(image, formOf(image))).toBeUndefined();
  expect(changesOf({ id: "i", name: "bare" }, formOf({ id: "i", name: "bare" }))).toBeUndefined();
  expect(formOf(image).quota).toBe("1.5");
});

it("names only what was changed", () => {
  const form = { ...formOf(image), quota: "", immutable: [{ pattern: " v* " }, { pattern: "" }] };
  expect(changesOf(image, form)).toEqual({ quotaBytes: "0" });
  expect(changesOf(image, { ...formOf(image), public: false })).toEqual({ public: false });
});

it("makes rules of rows and refuses those that keep nothing", () => {
  const form = { ...formOf(image), retention: [{ pattern: "", last: "3", days: "" }, { pattern: "x", last: "-2", days: "zero" }] };
  expect(rulesOf(form)).toEqual([
    { tagPattern: "*", keepLast: 3, keepDays: 0 },
    { tagPattern: "x", keepLast: 0, keepDays: 0 },
  ]);
  expect([...missing(form).keys()]).toEqual(["1.last"]);
});
