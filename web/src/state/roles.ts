// The roles there are, each with what it allows, to choose from with cl-checks.
import type { Check } from "../elements/check-list";

export const ROLES: readonly Check[] = [
  { value: "admin", label: "admin", hint: "everything, users and settings too" },
  { value: "operator", label: "operator", hint: "reads everything; changes clusters, workloads and images" },
  { value: "viewer", label: "viewer", hint: "reads everything" },
  { value: "api", label: "api", hint: "for pipelines: pushes images, changes workloads" },
];
