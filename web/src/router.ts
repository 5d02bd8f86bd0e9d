// Addresses and pages: which page an address means, and going there without loading anew.
import type { TemplateResult } from "lit";

import type { Identity } from "./api/records";

/** Whom a page is for: who is logged in, who is not, who has to enrol a second factor first, or all of these. */
export type Audience = "member" | "guest" | "enrolling" | "anybody";

export type Params = Readonly<Record<string, string>>;

export interface Route {
  /** Such as "/clusters/:id". */
  path: string;
  /** The entry of the navigation that is current here. */
  section: string;
  /** Members, if it does not say. All other pages are doors to theirs: they stand alone, without the navigation. */
  audience?: Audience;
  /** Loads the page's code. */
  load: () => Promise<unknown>;
  render: (params: Params, query: URLSearchParams) => TemplateResult;
}

export interface Match {
  route: Route;
  params: Params;
}

/** The first route whose path fits. */
export function match(routes: readonly Route[], path: string): Match | undefined {
  for (const route of routes) {
    const params = fit(route.path, path);
    if (params) return { route, params };
  }
  return undefined;
}

/** The parameters in `path` by `pattern`, or undefined when it does not fit. */
export function fit(pattern: string, path: string): Params | undefined {
  const wanted = parts(pattern);
  const given = parts(path);
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? "";
    if (part.startsWith(":")) params[part.slice(1)] = decoded(value);
    else if (part !== value) return undefined;
  }
  return params;
}

/** Goes to an address of the dashboard. */
export function navigate(href: string, how: "push" | "replace" = "push"): void {
  if (how === "push") history.pushState(null, "", href);
  else history.replaceState(null, "", href);
  dispatchEvent(new Event("navigated"));
}

/** Follows clicks on links to the dashboard's own pages, and the browser's back and forward. */
export function listenToLinks(): void {
  addEventListener("popstate", () => dispatchEvent(new Event("navigated")));
  document.addEventListener("click", (event) => {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!plain || event.defaultPrevented) return;
    const link = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement);
    const foreign = link?.origin !== location.origin || link.target !== "" || link.hasAttribute("download");
    if (!link || foreign || link.pathname.startsWith("/api/") || (link.hash !== "" && link.pathname === location.pathname)) return;
    event.preventDefault();
    navigate(link.pathname + link.search + link.hash);
  });
}

/** Where somebody is led who asks for a page that is not for them; undefined where it is. */
export function diversion(audience: Audience, identity: Identity | undefined, path: string, query: URLSearchParams): string | undefined {
  const who: Audience = identity === undefined ? "guest" : identity.mustEnrol ? "enrolling" : "member";
  if (audience === who || audience === "anybody") return undefined;
  const beyondTheDoor = safeNext(query.get("next"));
  if (who === "member") return beyondTheDoor;
  const asked = query.size > 0 ? `${path}?${query.toString()}` : path;
  const next = audience === "member" ? asked : beyondTheDoor;
  return `${who === "guest" ? "/login" : "/enrol"}?${new URLSearchParams({ next }).toString()}`;
}

/** Where to go after a login: only addresses of the dashboard itself. */
export function safeNext(next: string | null): string {
  return next?.startsWith("/") && !next.startsWith("//") && !next.startsWith("/\\") && !next.startsWith("/login") ? next : "/";
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}
