// Values as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes with a binary unit: `bytes("1536")` is "1.5 KiB". */
export function bytes(value: string | number | undefined): string {
  let rest = Number(value ?? 0);
  let unit = 0;
  while (rest >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 100 ? 0 : 1;
  return `${rest.toFixed(digits).replace(/\.0$/, "")} ${UNITS[unit] ?? ""}`;
}

/** How long ago, or until, in the largest fitting unit: "3 min ago", "in 2 h", "just now". */
export function ago(then: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - then.getTime()) / 1000);
  // Clocks differ by a little; a few seconds in the future is now.
  if (seconds > -10 && seconds < 5) return "just now";
  const span = duration(Math.abs(seconds));
  return seconds < 0 ? `in ${span}` : `${span} ago`;
}

/** A span of seconds in its largest unit. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `count(1, "cluster")` is "1 cluster", `count(2, "cluster")` "2 clusters". */
export function count(number: number, noun: string, plural = noun.replace(/([^aeiou])y$/, "$1ie") + "s"): string {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}

/** The first twelve digits of a digest, which is what people compare. */
export function shortDigest(digest: string | undefined): string {
  return (digest ?? "").replace(/^sha256:/, "").slice(0, 12);
}

/** Text in groups of four, as people copy it by hand. */
export function grouped(text: string): string {
  return text.replace(/(.{4})(?=.)/g, "$1 ");
}

/** An enum's value without its name: `enumWord("DEPLOYMENT_STATE_RUNNING", "DEPLOYMENT_STATE")` is "running". */
export function enumWord(value: string | undefined, name: string): string {
  const word = (value ?? "").replace(`${name}_`, "").toLowerCase().replace(/_/g, " ");
  return word === "unspecified" ? "" : word;
}

/** A message of the server as a sentence: it begins with a capital, unless with a name such as an image's, or a URL. */
export function sentence(text: string): string {
  if (!/^[a-z]+(?:[ ,:;'](?!\/\/)|$)/.test(text)) return text;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A reason in UPPER_SNAKE as words: "IMAGE_AWAITED" is "Image awaited". */
export function reasonWords(reason: string): string {
  return sentence(reason.toLowerCase().replace(/_/g, " "));
}
