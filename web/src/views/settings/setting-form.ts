// Settings as people look at them: by provider, each key with the control that fits its type. Pure.
import type { ApiError } from "../../api/errors";
import type { Setting, SettingUpdate } from "../../api/records";

export interface Group {
  provider: string;
  title: string;
  settings: readonly Setting[];
  /** Whether a service of Cloudly uses them. */
  used: boolean;
  /** Whether one has a value. */
  set: boolean;
  /** Whether the connection to it can be tested. */
  testable: boolean;
}

/** What was entered, by key; a key that is not in it stays as it is. */
export type Draft = ReadonlyMap<string, string>;

const TITLES: Readonly<Record<string, string>> = {
  hetzner: "Hetzner",
  cloudflare: "Cloudflare",
  dcrouter: "dcrouter gateway",
  baseos: "baseOS",
  corebuild: "CoreBuild workers",
  aws: "AWS",
  digitalocean: "DigitalOcean",
  azure: "Azure",
  google: "Google Cloud",
  vultr: "Vultr",
  linode: "Linode",
  ovh: "OVH",
  scaleway: "Scaleway",
};

const HINTS: Readonly<Record<string, string>> = {
  SETTING_TYPE_TOKEN: "One word, without blanks.",
  SETTING_TYPE_URL: "Such as https://gateway.example.com.",
  SETTING_TYPE_HOST: "A host name or an IP address, without protocol or port.",
  SETTING_TYPE_PORT: "From 1 to 65535.",
  SETTING_TYPE_JSON: "JSON.",
};

/** The settings by provider, in the order of the API; what Cloudly uses comes first. */
export function groups(settings: readonly Setting[]): Group[] {
  const providers = [...new Set(settings.map(({ provider }) => provider))];
  const all = providers.map((provider) => {
    const own = settings.filter((setting) => setting.provider === provider);
    return {
      provider,
      title: TITLES[provider] ?? provider,
      settings: own,
      used: own.some(({ owners }) => (owners ?? []).length > 0),
      set: own.some((setting) => setting.set),
      testable: own.some((setting) => setting.testable),
    };
  });
  return [...all.filter(({ used }) => used), ...all.filter(({ used }) => !used)];
}

/** A key as words: `dcrouterTargetHost` of dcrouter is "Target host". */
export function label({ key, provider }: Pick<Setting, "key" | "provider">): string {
  const spaced = key.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  const own = spaced.replace(/ /g, "").startsWith(provider) ? behind(key, provider.length) : spaced;
  const words = (own === "" ? spaced : own).replace(/\b(url|api|json|id|aws)\b/g, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function behind(key: string, length: number): string {
  return key.slice(length).replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
}

/** How to write the value, and what leaving it empty does. */
export function hint(setting: Setting): string {
  const how = HINTS[setting.type ?? ""] ?? "";
  const empty = !setting.set ? "" : setting.secret ? "Empty keeps what is set." : "Empty clears it.";
  return [setting.description ?? "", how, empty].filter((part) => part !== "").join(" ");
}

/** What to send: what differs from what was read. */
export function updatesOf(settings: readonly Setting[], draft: Draft): SettingUpdate[] {
  return settings.flatMap(({ key, secret, value = "", etag = "" }) => {
    const entered = draft.get(key)?.trim();
    if (entered === undefined || (secret ? entered === "" : entered === value)) return [];
    return [{ key, value: entered, etag }];
  });
}

/** What the server found wrong, by key; what is wrong inside a value names its place. */
export function violationsByKey(error: ApiError | undefined, sent: readonly SettingUpdate[]): Map<string, string> {
  const found = new Map<string, string[]>();
  for (const [field, text] of error?.violations ?? []) {
    const [, index, inside] = /^updates\[(\d+)\](?:\.value)?(.*)$/.exec(field) ?? [];
    const key = sent[Number(index)]?.key;
    if (key === undefined) continue;
    found.set(key, [...(found.get(key) ?? []), inside ? `${inside.replace(/^\./, "")}: ${text}` : text]);
  }
  return new Map([...found].map(([key, texts]) => [key, texts.join("; ")]));
}
