// The one door to the API: sends the Bearer token, renews it once when it has expired, turns refusals into ApiError.
import { ApiError, problemOf, unreachable } from "./errors";

/** Where the door gets its tokens; state/session.ts is the real one. */
export interface TokenSource {
  /** The access token to try now; "" when nobody is logged in. */
  current(): string;
  /** A token newer than the refused one; "" when the session is over. */
  renew(refused: string): Promise<string>;
}

export interface Call {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  /** Sent as If-Match: a stale one is refused with 412. */
  etag?: string | undefined;
  /** Sent as Idempotency-Key: repeating the call with it changes nothing more. */
  idempotencyKey?: string;
  signal?: AbortSignal;
  accept?: string;
}

export class Client {
  constructor(private readonly tokens: TokenSource) {}

  /** The JSON answer of a call. Raises ApiError. */
  async call<Answer>(path: string, call: Call = {}): Promise<Answer> {
    const response = await this.open(path, call);
    const text = await response.text();
    return (text === "" ? {} : JSON.parse(text)) as Answer;
  }

  /** The successful response of a call, its body unread. Raises ApiError. */
  async open(path: string, call: Call = {}): Promise<Response> {
    const token = this.tokens.current();
    let response = await send(path, call, token);
    if (response.status === 401 && token !== "") {
      const renewed = await this.tokens.renew(token);
      if (renewed !== "") response = await send(path, call, renewed);
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

/** A key for Call.idempotencyKey: one per intent of the user, kept over retries. (randomUUID needs HTTPS, this does not.) */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function send(path: string, call: Call, token: string): Promise<Response> {
  const headers: Record<string, string> = { accept: call.accept ?? "application/json" };
  if (token !== "") headers.authorization = `Bearer ${token}`;
  if (call.body !== undefined) headers["content-type"] = "application/json";
  if (call.etag) headers["if-match"] = `"${call.etag}"`;
  if (call.idempotencyKey) headers["idempotency-key"] = call.idempotencyKey;
  try {
    return await fetch(path + queryOf(call.query), {
      method: call.method ?? "GET",
      headers,
      // The token travels in a header; cookies never do.
      credentials: "omit",
      cache: "no-store",
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(call.signal ? { signal: call.signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    if (error instanceof ApiError) throw error;
    throw unreachable(error);
  }
}

function queryOf(query: Call["query"]): string {
  const pairs = Object.entries(query ?? {}).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined && pair[1] !== "");
  if (pairs.length === 0) return "";
  return `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()}`;
}
