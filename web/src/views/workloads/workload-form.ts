// The form of a workload as text, and what it makes of a wish. Pure, so that it can be tested without a page.
import type { HealthCheck, PublishedPort, Resources, SignaturePolicy, UpdateStrategy, Workload, WorkloadDomain, WorkloadWish } from "../../api/records";
import type { Row } from "../../elements/row-editor";
import { pemBlocks, pemText } from "../../text/pem";

const MIB = 1024 * 1024;

/** Every control's value as the control holds it. */
export interface WorkloadForm {
  name: string;
  clusterId: string;
  description: string;
  category: string;
  source: "pushed" | "elsewhere";
  image: string;
  tag: string;
  deployOnPush: "yes" | "no";
  signed: "yes" | "no";
  /** PEM, one below the other. */
  publicKeys: string;
  mode: string;
  replicas: string;
  /** One word a line. */
  command: string;
  arguments: string;
  environment: readonly Row[];
  labels: readonly Row[];
  webPort: string;
  domains: readonly Row[];
  publishedPorts: readonly Row[];
  cpuLimit: string;
  cpuReservation: string;
  memoryLimit: string;
  memoryReservation: string;
  healthCommand: string;
  healthInterval: string;
  healthTimeout: string;
  healthRetries: string;
  healthStart: string;
  updateOrder: string;
  updateParallelism: string;
  updateDelay: string;
  updateMonitor: string;
}

export const EMPTY: WorkloadForm = {
  name: "", clusterId: "", description: "", category: "WORKLOAD_CATEGORY_WORKLOAD",
  source: "pushed", image: "", tag: "", deployOnPush: "yes", signed: "no", publicKeys: "",
  mode: "WORKLOAD_MODE_REPLICATED", replicas: "1", command: "", arguments: "", environment: [], labels: [],
  webPort: "", domains: [], publishedPorts: [],
  cpuLimit: "", cpuReservation: "", memoryLimit: "", memoryReservation: "",
  healthCommand: "", healthInterval: "", healthTimeout: "", healthRetries: "", healthStart: "",
  updateOrder: "UPDATE_ORDER_START_FIRST", updateParallelism: "", updateDelay: "", updateMonitor: "",
};

/** The form that shows a workload. Zeros that mean "the default" are shown as empty. */
export function formOf(workload: Workload): WorkloadForm {
  const { resources, healthCheck, updateStrategy, signaturePolicy } = workload;
  return {
    name: workload.name,
    clusterId: workload.clusterId,
    description: workload.description ?? "",
    category: specified(workload.category, EMPTY.category),
    source: workload.image ? "elsewhere" : "pushed",
    image: workload.image ?? "",
    tag: workload.tag ?? "",
    deployOnPush: workload.deployOnPush === false ? "no" : "yes",
    signed: signaturePolicy?.required ? "yes" : "no",
    publicKeys: pemText(signaturePolicy?.publicKeys ?? []),
    mode: specified(workload.mode, EMPTY.mode),
    replicas: String(workload.replicas ?? 1),
    command: (workload.command ?? []).join("\n"),
    arguments: (workload.arguments ?? []).join("\n"),
    environment: pairs(workload.environment),
    labels: pairs(workload.labels),
    webPort: shown(workload.webPort),
    domains: (workload.domains ?? []).map(({ name, port, protocol }) => ({ name, port: shown(port), protocol: protocol ? protocol : "http" })),
    publishedPorts: (workload.publishedPorts ?? []).map(({ containerPort, hostPort, protocol }) => ({
      containerPort: shown(containerPort),
      hostPort: shown(hostPort),
      protocol: protocol ? protocol : "tcp",
    })),
    cpuLimit: shown(resources?.cpuLimit),
    cpuReservation: shown(resources?.cpuReservation),
    memoryLimit: shownMebibytes(resources?.memoryLimitBytes),
    memoryReservation: shownMebibytes(resources?.memoryReservationBytes),
    healthCommand: (healthCheck?.command ?? []).join("\n"),
    healthInterval: shown(healthCheck?.intervalSeconds),
    healthTimeout: shown(healthCheck?.timeoutSeconds),
    healthRetries: shown(healthCheck?.retries),
    healthStart: shown(healthCheck?.startPeriodSeconds),
    updateOrder: specified(updateStrategy?.order, EMPTY.updateOrder),
    updateParallelism: shown(updateStrategy?.parallelism),
    updateDelay: shown(updateStrategy?.delaySeconds),
    updateMonitor: shown(updateStrategy?.monitorSeconds),
  };
}

/** The wish that the form describes. Rows without a name are no rows. */
export function wishOf(form: WorkloadForm): WorkloadWish {
  return {
    name: form.name.trim(),
    clusterId: form.clusterId,
    description: form.description.trim(),
    category: form.category as NonNullable<WorkloadWish["category"]>,
    image: form.source === "elsewhere" ? form.image.trim() : "",
    tag: form.source === "pushed" ? form.tag.trim() : "",
    deployOnPush: form.deployOnPush === "yes",
    mode: form.mode as NonNullable<WorkloadWish["mode"]>,
    replicas: whole(form.replicas, 1),
    command: lines(form.command),
    arguments: lines(form.arguments),
    environment: record(form.environment),
    labels: record(form.labels),
    webPort: whole(form.webPort),
    domains: form.domains.filter(({ name }) => name?.trim()).map(domain),
    publishedPorts: form.publishedPorts.filter(({ containerPort, hostPort }) => containerPort ?? hostPort).map(publishedPort),
    resources: resourcesOf(form),
    healthCheck: healthCheckOf(form),
    updateStrategy: updateStrategyOf(form),
    signaturePolicy: signaturePolicyOf(form),
  };
}

/** The fields of `after` that differ from `before`: what a PATCH has to carry. */
export function changes(before: WorkloadWish, after: WorkloadWish): Partial<WorkloadWish> {
  const keys = Object.keys(after) as (keyof WorkloadWish)[];
  return Object.fromEntries(keys.filter((key) => stable(before[key]) !== stable(after[key])).map((key) => [key, after[key]]));
}

function domain({ name, port, protocol }: Row): WorkloadDomain {
  return { name: (name ?? "").trim(), port: whole(port), protocol: protocol ?? "http" };
}

function publishedPort({ containerPort, hostPort, protocol }: Row): PublishedPort {
  return { containerPort: whole(containerPort), hostPort: whole(hostPort), protocol: protocol ?? "tcp" };
}

function resourcesOf(form: WorkloadForm): Resources | null {
  if (!form.cpuLimit && !form.cpuReservation && !form.memoryLimit && !form.memoryReservation) return null;
  return {
    cpuLimit: decimal(form.cpuLimit),
    cpuReservation: decimal(form.cpuReservation),
    memoryLimitBytes: mebibytes(form.memoryLimit),
    memoryReservationBytes: mebibytes(form.memoryReservation),
  };
}

function healthCheckOf(form: WorkloadForm): HealthCheck | null {
  const command = lines(form.healthCommand);
  if (command.length === 0) return null;
  return {
    command,
    intervalSeconds: whole(form.healthInterval),
    timeoutSeconds: whole(form.healthTimeout),
    retries: whole(form.healthRetries),
    startPeriodSeconds: whole(form.healthStart),
  };
}

function updateStrategyOf(form: WorkloadForm): UpdateStrategy | null {
  if (form.updateOrder === EMPTY.updateOrder && !form.updateParallelism && !form.updateDelay && !form.updateMonitor) return null;
  return {
    order: form.updateOrder as NonNullable<UpdateStrategy["order"]>,
    parallelism: whole(form.updateParallelism),
    delaySeconds: whole(form.updateDelay),
    monitorSeconds: whole(form.updateMonitor),
  };
}

/** Keys are kept where signatures are not demanded for now. */
function signaturePolicyOf(form: WorkloadForm): SignaturePolicy | null {
  const publicKeys = pemBlocks(form.publicKeys);
  return form.signed === "no" && publicKeys.length === 0 ? null : { required: form.signed === "yes", publicKeys };
}

/** JSON with sorted keys: equal things are equal texts. */
function stable(value: unknown): string {
  return JSON.stringify(value ?? null, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

function specified(value: string | undefined, fallback: string): string {
  return value && !value.endsWith("_UNSPECIFIED") ? value : fallback;
}

function shown(value: number | undefined): string {
  return value ? String(value) : "";
}

function shownMebibytes(value: string | undefined): string {
  return Number(value ?? 0) === 0 ? "" : String(Number(value) / MIB);
}

function mebibytes(text: string): string {
  return String(Math.round(decimal(text) * MIB));
}

function decimal(text: string): number {
  const number = Number(text);
  return Number.isFinite(number) ? number : 0;
}

function whole(text: string | undefined, fallback = 0): number {
  return text === undefined || text.trim() === "" ? fallback : Math.trunc(decimal(text));
}

function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
}

function pairs(values: Record<string, string> | undefined): Row[] {
  return Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => ({ name, value }));
}

function record(rows: readonly Row[]): Record<string, string> {
  return Object.fromEntries(rows.filter(({ name }) => name?.trim()).map(({ name, value }) => [(name ?? "").trim(), value ?? ""]));
}
