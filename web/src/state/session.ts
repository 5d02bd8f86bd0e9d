// Who is logged in, in all tabs of this browser at once.
//
// The pair of tokens lies in localStorage. Why there: a refresh token works once, so the tabs must share one record or the
// second tab would burn the first one's session; sessionStorage is private to a tab, and a cookie would need an API that
// trusts cookies (and then a defence against forged requests), while this API takes Bearer tokens only. What a script in
// this page could steal is bounded by what lets no foreign script in: script-src 'self', nothing loaded from elsewhere,
// Lit's templates that never parse values as HTML. The access token beside it adds nothing to that risk.
import * as auth from "../api/auth";
import type { TokenSource } from "../api/client";
import { ApiError } from "../api/errors";
import type { Identity, LoginChallenge, TokenPair } from "../api/records";
import { exclusively } from "./exclusively";

const KEY = "cloudly.session";

/** Why nobody is logged in. */
export type Ending = "" | "logged-out" | "expired";

export class Session extends EventTarget implements TokenSource {
  private pair: TokenPair | undefined;
  private renewing: Promise<string> | undefined;
  ending: Ending = "";

  constructor(
    private readonly storage: Storage,
    private readonly calls: Pick<typeof auth, "login" | "completeLogin" | "refresh" | "logout"> = auth,
  ) {
    super();
    this.pair = this.read();
  }

  /** Follows what other tabs do: a login, a renewal or a logout there holds here. */
  followOtherTabs(target: EventTarget): void {
    target.addEventListener("storage", (event) => {
      const { key } = event as StorageEvent;
      if (key === KEY || key === null) this.adopt(this.read(), "logged-out");
    });
  }

  get identity(): Identity | undefined {
    return this.pair?.identity;
  }

  current(): string {
    return this.pair?.accessToken ?? "";
  }

  /** Answers a challenge where a second factor has to follow. */
  async login(username: string, password: string): Promise<LoginChallenge | undefined> {
    const answer = await this.calls.login(username, password);
    if ("challenge" in answer) return answer.challenge;
    this.write(answer);
    return undefined;
  }

  async completeLogin(challenge: string, answer: auth.LoginAnswer): Promise<void> {
    this.write(await this.calls.completeLogin(challenge, answer));
  }

  /** Goes on with tokens that were had in another way than by a password. */
  enter(pair: TokenPair): void {
    this.write(pair);
  }

  async logout(): Promise<void> {
    const token = this.current();
    this.storage.removeItem(KEY);
    this.adopt(undefined, "logged-out");
    try {
      if (token !== "") await this.calls.logout(token);
    } catch (error) {
      // This browser has forgotten the tokens already; a session that the server ended first is what was wished.
      if (!(error instanceof ApiError && error.status === 401)) throw error;
    }
  }

  /** Fetches tokens anew, because the account has changed in a way that they tell of. */
  async refresh(): Promise<void> {
    await this.renew(this.current());
  }

  /** One renewal at a time in this tab and, by a lock, over all tabs. */
  renew(refused: string): Promise<string> {
    this.renewing ??= exclusively(KEY, () => this.renewAlone(refused)).finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  private async renewAlone(refused: string): Promise<string> {
    const held = this.read();
    if (!held) return "";
    if (held.accessToken !== refused) {
      // Another tab was first.
      this.adopt(held, "");
      return held.accessToken;
    }
    try {
      const pair = await this.calls.refresh(held.refreshToken);
      this.write(pair);
      return pair.accessToken;
    } catch (error) {
      if (!(error instanceof ApiError) || ![400, 401, 403].includes(error.status)) throw error;
      this.storage.removeItem(KEY);
      this.adopt(undefined, "expired");
      return "";
    }
  }

  private write(pair: TokenPair): void {
    this.storage.setItem(KEY, JSON.stringify(pair));
    this.adopt(pair, "");
  }

  private adopt(pair: TokenPair | undefined, ending: Ending): void {
    const before = standing(this.pair);
    this.pair = pair;
    this.ending = pair ? "" : ending;
    if (before !== standing(pair)) this.dispatchEvent(new Event("change"));
  }

  private read(): TokenPair | undefined {
    const text = this.storage.getItem(KEY);
    if (text === null) return undefined;
    try {
      const pair = JSON.parse(text) as Partial<TokenPair> | null;
      return pair?.accessToken && pair.refreshToken && pair.identity ? (pair as TokenPair) : undefined;
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}

/** Who it is and what they may do; a renewal may change both without a login between. */
function standing(pair: TokenPair | undefined): string {
  const { id, roles, mustEnrol } = pair?.identity ?? {};
  return JSON.stringify([id, roles ?? [], mustEnrol ?? false]);
}
