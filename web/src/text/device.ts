// What a browser says it is, as people name it. Anybody can say anything: a help to recognize one's own, no proof.

// The first that fits counts: most browsers name others, too, for the sake of old sites.
const PROGRAMS: readonly (readonly [RegExp, string])[] = [
  [/^cloudly-cli/i, "Cloudly CLI"],
  [/\bEdg(?:e|A|iOS)?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(?:Firefox|FxiOS)\//, "Firefox"],
  [/\b(?:HeadlessChrome|Chrome|CriOS|Chromium)\//, "Chrome"],
  [/\bVersion\/[\d.]+.*\bSafari\//, "Safari"],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bWindows\b/, "Windows"],
  [/\bMacintosh\b/, "Mac"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/** "Firefox on Linux"; for what is not known the beginning of what it says. */
export function deviceName(userAgent: string | undefined): string {
  const said = userAgent ?? "";
  const program = nameIn(PROGRAMS, said);
  const system = systemName(said);
  if (program !== "" && system !== "") return `${program} on ${system}`;
  return program || system || said.split(/[ /]/, 1)[0] || "Unknown client";
}

/** "Linux", "iPhone"; "" when it does not say. */
export function systemName(userAgent: string): string {
  return nameIn(SYSTEMS, userAgent);
}

function nameIn(names: readonly (readonly [RegExp, string])[], said: string): string {
  return names.find(([sign]) => sign.test(said))?.[1] ?? "";
}
