// A login by an identity provider on its way: what this tab has to know when the browser comes back.
import type { StartedLogin } from "../api/auth";

const KEY = "cloudly.sso";

interface UnderWay {
  verifier: string;
  /** Where to go afterwards. */
  next: string;
}

/** Leaves for the provider. The tab keeps the verifier: whoever brings a code without it is not who began. */
export function leaveFor({ authorizationUrl, verifier }: StartedLogin, next: string): void {
  sessionStorage.setItem(KEY, JSON.stringify({ verifier, next } satisfies UnderWay));
  location.assign(authorizationUrl);
}

/** The code that the browser came back with, taken out of the address; "" where there is none. */
export function takeCode(): string {
  const code = new URLSearchParams(location.hash.slice(1)).get("sso") ?? "";
  // Used up in a moment: it need not stay in the history.
  if (code !== "") history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** What was kept when this tab left, once; undefined where the login was begun elsewhere. */
export function takeUnderWay(): UnderWay | undefined {
  const text = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  return text === null ? undefined : (JSON.parse(text) as UnderWay);
}
