// An external registry as a form holds it, and how it stands. Pure.
import type { ExternalRegistry, ExternalRegistryWish } from "../../api/records";
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
}

export const TYPES = [
  { value: "EXTERNAL_REGISTRY_TYPE_DOCKER", label: "Images (OCI, Docker)" },
  { value: "EXTERNAL_REGISTRY_TYPE_NPM", label: "npm packages" },
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
  };
}

export function wishOf(form: RegistryForm): ExternalRegistryWish {
  const { name, url, description, username } = form;
  return { ...form, name: name.trim(), url: withScheme(url.trim()), description: description.trim(), username: username.trim(), type: form.type as NonNullable<ExternalRegistry["type"]> };
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
