// An external registry as a form holds it, and how it stands. Pure.
import type { ExternalRegistry, ExternalRegistryWish, Image } from "../../api/records";
import type { Standing } from "../../state/standing";

export interface RegistryForm {
  name: string;
  url: string;
  description: string;
  type: string;
  username: string;
  /** Empty: the one that is kept stays. */
  password: string;
  isDefault: boolean;
  /** Empty: it is not pulled through. */
  cachePrefix: string;
  /** Seconds; empty: as the server has it. */
  cacheTtl: string;
  /** Empty: as the server has it. */
  cacheDays: string;
}

const NPM = "EXTERNAL_REGISTRY_TYPE_NPM";

export const TYPES = [
  { value: "EXTERNAL_REGISTRY_TYPE_DOCKER", label: "Images (OCI, Docker)" },
  { value: NPM, label: "npm packages" },
];

export function formOf(registry?: ExternalRegistry): RegistryForm {
  return {
    name: registry?.name ?? "",
    url: registry?.url ?? "",
    description: registry?.description ?? "",
    type: registry?.type ?? "EXTERNAL_REGISTRY_TYPE_DOCKER",
    username: registry?.username ?? "",
    password: "",
    isDefault: registry?.isDefault ?? false,
    cachePrefix: registry?.cachePrefix ?? "",
    cacheTtl: registry?.cacheTtlSeconds ? String(registry.cacheTtlSeconds) : "",
    cacheDays: registry?.cacheDays ? String(registry.cacheDays) : "",
  };
}

export function wishOf(form: RegistryForm): ExternalRegistryWish {
  const { name, url, description, type, username, password, isDefault } = form;
  return {
    name: name.trim(),
    url: withScheme(url.trim()),
    description: description.trim(),
    username: username.trim(),
    password,
    isDefault,
    type: type as NonNullable<ExternalRegistry["type"]>,
    cachePrefix: cacheable(form) ? form.cachePrefix.trim() : "",
    cacheTtlSeconds: Number(form.cacheTtl),
    cacheDays: Number(form.cacheDays),
  };
}

/** Whether it can be pulled through. */
export function cacheable({ type }: Pick<RegistryForm, "type">): boolean {
  return type !== NPM;
}

/** What differs from the registry; a password only if one was written, or if the login is taken away. */
export function changesOf(registry: ExternalRegistry, form: RegistryForm): Partial<ExternalRegistryWish> {
  const before: Record<string, unknown> = { ...wishOf(formOf(registry)) };
  const changes: Record<string, unknown> = Object.fromEntries(Object.entries(wishOf(form)).filter(([name, value]) => name !== "password" && value !== before[name]));
  if (form.username.trim() === "" && registry.hasPassword === true) changes.password = "";
  else if (form.password !== "") changes.password = form.password;
  return changes;
}

/** People write `ghcr.io`, as it stands in front of images. */
function withScheme(url: string): string {
  return url === "" || /^[a-z]+:\/\//i.test(url) ? url : `https://${url}`;
}

export function standingOf({ status }: ExternalRegistry): Standing {
  switch (status) {
    case "EXTERNAL_REGISTRY_STATUS_WORKING":
      return { tone: "ok", label: "Working" };
    case "EXTERNAL_REGISTRY_STATUS_DENIED":
      return { tone: "bad", label: "Login refused" };
    case "EXTERNAL_REGISTRY_STATUS_UNREACHABLE":
      return { tone: "bad", label: "Unreachable" };
    default:
      return { tone: "wait", label: "Not checked" };
  }
}

/** What of a registry was copied by pulling through it. */
export interface Copied {
  images: readonly Image[];
  sizeBytes: number;
  /** When one of the tags was last fetched or used; known to the day. */
  lastUse: string | undefined;
}

/** The copies among all images; undefined where it is not pulled through. */
export function copiedFrom({ cachePrefix = "" }: Pick<ExternalRegistry, "cachePrefix">, images: readonly Image[]): Copied | undefined {
  if (cachePrefix === "") return undefined;
  const copies = images.filter(({ repository = "" }) => repository.startsWith(`${cachePrefix}/`));
  const times = copies.flatMap(({ versions = [] }) => versions.map(({ pushTime = "" }) => pushTime)).sort();
  return { images: copies, sizeBytes: copies.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes ?? 0), 0), lastUse: times.at(-1) };
}

/** How an image of this registry is pulled through ours. */
export function pullThrough({ cachePrefix = "", server = "" }: Pick<ExternalRegistry, "cachePrefix" | "server">, host: string): string {
  return `docker pull ${host}/${cachePrefix}/${server === "docker.io" ? "library/nginx:latest" : "<repository>:<tag>"}`;
}
