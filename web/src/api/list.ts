// Lists, page by page to their end.
import type { Client } from "./client";
import type { Page } from "./records";

const PAGE_SIZE = 200;

/** All items of a list. For lists that are bounded by nature (a cluster's nodes, a workload's versions). */
export async function listAll<Item>(
  client: Client,
  path: string,
  key: string,
  query: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Item[]> {
  const items: Item[] = [];
  let pageToken = "";
  do {
    const page: Page<string, Item> = await client.call(path, {
      query: { ...query, pageSize: PAGE_SIZE, pageToken },
      ...(signal ? { signal } : {}),
    });
    items.push(...((page[key]) ?? []));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "");
  return items;
}
