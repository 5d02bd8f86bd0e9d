// This tab's copy of a watched collection: what the events of a watch make of it. Pure state, no I/O.
import type { Resource } from "../api/records";
import type { WatchEvent } from "../api/watch";

export class Replica<T extends Resource> {
  /** By id. Replaced, never changed: who holds it holds one consistent moment. */
  items: ReadonlyMap<string, T> = new Map();
  /** Whether a whole snapshot has been seen. */
  whole = false;
  /** Where a watch can go on; "" when only a new snapshot helps. */
  cursor = "";
  private pending: Map<string, T> | undefined;

  /** A new snapshot follows. The old items stay visible until it is whole, so that nothing flickers. */
  restart(): void {
    this.pending = new Map();
    this.cursor = "";
  }

  /** Takes a whole state over from elsewhere. */
  adopt(items: readonly T[], cursor: string): void {
    this.items = byId(items);
    this.cursor = cursor;
    this.whole = true;
    this.pending = undefined;
  }

  /** Whether the visible items changed. */
  apply(event: WatchEvent<T>): boolean {
    if (event.kind === "bookmark") return this.bookmark(event.cursor);
    const { resource } = event;
    const gone = event.kind === "deleted" || Boolean(resource.deleteTime);
    if (this.pending) {
      if (gone) this.pending.delete(resource.id);
      else this.pending.set(resource.id, resource);
      return false;
    }
    if (event.cursor !== "") this.cursor = event.cursor;
    if (gone && !this.items.has(resource.id)) return false;
    const next = new Map(this.items);
    if (gone) next.delete(resource.id);
    else next.set(resource.id, resource);
    this.items = next;
    return true;
  }

  private bookmark(cursor: string): boolean {
    if (cursor !== "") this.cursor = cursor;
    if (!this.pending) return false;
    this.items = this.pending;
    this.pending = undefined;
    this.whole = true;
    return true;
  }
}

function byId<T extends Resource>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}
