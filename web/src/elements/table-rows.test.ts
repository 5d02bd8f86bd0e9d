import { expect, it } from "vitest";

import { fitting, ordered, searched, type Column } from "./table-rows";

interface Fruit {
  name: string;
  weight: number;
}

const fruits: Fruit[] = [{ name: "pear 10", weight: 3 }, { name: "apple", weight: 1 }, { name: "pear 9", weight: 2 }];
const columns: Column<Fruit>[] = [
  { key: "name", title: "Name", width: "1fr", render: ({ name }) => name, sort: ({ name }) => name },
  { key: "weight", title: "Weight", width: "1fr", render: ({ weight }) => weight, sort: ({ weight }) => weight },
  { key: "plain", title: "Plain", width: "1fr", render: () => "" },
];
const names = (rows: readonly Fruit[]): string[] => rows.map(({ name }) => name);

it("finds the rows that hold every word, in any case", () => {
  expect(names(searched(fruits, " PEAR 9 ", ({ name }) => name))).toEqual(["pear 9"]);
  expect(searched(fruits, "  ", ({ name }) => name)).toBe(fruits);
});

it("orders numbers as numbers and numbered names as people do", () => {
  expect(names(ordered(fruits, columns, { key: "weight", descending: true }))).toEqual(["pear 10", "pear 9", "apple"]);
  expect(names(ordered(fruits, columns, { key: "name", descending: false }))).toEqual(["apple", "pear 9", "pear 10"]);
});

it("leaves the rows as they are without an order, and never changes what it was given", () => {
  expect(ordered(fruits, columns, undefined)).toBe(fruits);
  expect(ordered(fruits, columns, { key: "plain", descending: false })).toBe(fruits);
  ordered(fruits, columns, { key: "weight", descending: false });
  expect(names(fruits)[0]).toBe("pear 10");
});

it("has one column for two where there is no room for both", () => {
  const [name, weight, plain] = columns as [Column<Fruit>, Column<Fruit>, Column<Fruit>];
  const both = [name, { ...weight, hideBelow: 480 }, { ...plain, showBelow: 480 }];
  const keys = (width: number): string[] => fitting(both, width).map(({ key }) => key);
  expect(keys(479)).toEqual(["name", "plain"]);
  expect(keys(480)).toEqual(["name", "weight"]);
});
