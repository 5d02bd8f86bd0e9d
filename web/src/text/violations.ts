// What the server says of the items of a list, for the form that edits it row by row. Pure.

/** `domains[1].name` -> the cell "1.name" of `domains`; `repositories[1]` -> the cell "1.<column>". */
export function cellViolations(violations: ReadonlyMap<string, string>, field: string, column = ""): ReadonlyMap<string, string> {
  const cells = new Map<string, string>();
  for (const [path, text] of violations) {
    if (!path.startsWith(`${field}[`)) continue;
    const [, index = "", name = column] = /^\[(\d+)\](?:\.(\w+))?$/.exec(path.slice(field.length)) ?? [];
    if (index !== "" && name !== "") cells.set(`${index}.${name}`, text);
  }
  return cells;
}
