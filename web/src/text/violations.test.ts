import { expect, it } from "vitest";

import { cellViolations } from "./violations";

const said = new Map([
  ["domains", "are too many"],
  ["domains[0].name", "is taken"],
  ["domains[12].port", "is too high"],
  ["policy.images[1]", "has a tag"],
]);

it("tells what is wrong at the cell of the row", () => {
  expect([...cellViolations(said, "domains")]).toEqual([
    ["0.name", "is taken"],
    ["12.port", "is too high"],
  ]);
});

it("tells what is wrong with an item at the only column", () => {
  expect([...cellViolations(said, "policy.images", "pattern")]).toEqual([["1.pattern", "has a tag"]]);
  expect([...cellViolations(said, "policy", "pattern")]).toEqual([]);
});
