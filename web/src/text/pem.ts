// Keys in PEM, as people paste them: one below the other.

/** The blocks of a text; what stands before the first is one, too, so that whoever checks them says what is wrong with it. */
export function pemBlocks(text: string): string[] {
  return text
    .split(/(?=-----BEGIN )/)
    .map((block) => block.trim())
    .filter((block) => block !== "");
}

/** The blocks as a text that `pemBlocks` takes apart again. */
export function pemText(blocks: readonly string[]): string {
  return blocks.map((block) => block.trim()).join("\n");
}

/** What is wrong with keys, from violations by index: `policy.publicKeys[1]` is told as "Key 2: …". */
export function keyViolation(violations: ReadonlyMap<string, string>, field: string): string {
  const told = [...violations].flatMap(([name, text]) => {
    if (name === field) return [text];
    const at = name.startsWith(`${field}[`) ? Number(/\[(\d+)\]$/.exec(name)?.[1]) : NaN;
    return Number.isNaN(at) ? [] : [`Key ${at + 1}: ${text}`];
  });
  return told.join("; ");
}
