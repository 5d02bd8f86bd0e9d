// What a table shows of its rows: the words searched for, the order. Pure.

export interface Column<T> {
  key: string;
  title: string;
  /** A grid track: "1fr", "120px", "minmax(140px, 2fr)". */
  width: string;
  render: (row: T) => unknown;
  /** Makes the column sortable. */
  sort?: (row: T) => string | number;
  /** The column is left out when the table is narrower than this, in pixels. */
  hideBelow?: number;
  /** The column is there only when the table is narrower than this, for those that are left out then. */
  showBelow?: number;
  align?: "end";
}

export interface Order {
  key: string;
  descending: boolean;
}

/** The columns that a table of this width, in pixels, has room for. */
export function fitting<T>(columns: readonly Column<T>[], width: number): readonly Column<T>[] {
  return columns.filter(({ hideBelow = 0, showBelow = Infinity }) => width >= hideBelow && width < showBelow);
}

/** The rows whose text holds each of the searched words. */
export function searched<T>(rows: readonly T[], search: string, text: (row: T) => string): readonly T[] {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const hay = text(row).toLowerCase();
    return words.every((word) => hay.includes(word));
  });
}

/** The rows in a column's order; rows that are equal keep theirs. */
export function ordered<T>(rows: readonly T[], columns: readonly Column<T>[], order: Order | undefined): readonly T[] {
  const value = columns.find(({ key }) => key === order?.key)?.sort;
  if (!value || !order) return rows;
  const sign = order.descending ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(value(a), value(b)));
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
