// How things stand, in one word and one tone each. Pure: the same record always says the same.
import type { Cluster, Condition, Deployment, Node, Workload } from "../api/records";
import { enumWord, reasonWords } from "../text/format";

/** ok: as wished; busy: on its way; wait: needs somebody to begin; warn: degraded; bad: broken; idle: nothing wished. */
export type Tone = "ok" | "busy" | "wait" | "warn" | "bad" | "idle";

export interface Standing {
  tone: Tone;
  label: string;
}

export function condition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((one) => one.type === type);
}

export function clusterStanding(cluster: Cluster): Standing {
  if (condition(cluster.conditions, "AgentConflict")?.status === "CONDITION_STATUS_TRUE") return { tone: "bad", label: "Agent conflict" };
  switch (cluster.agentState) {
    case "AGENT_STATE_ONLINE":
      if (condition(cluster.conditions, "ConfigurationApplied")?.status === "CONDITION_STATUS_FALSE") return { tone: "warn", label: "Online, not applied" };
      return { tone: "ok", label: "Online" };
    case "AGENT_STATE_OFFLINE":
      return { tone: "bad", label: "Offline" };
    default:
      return { tone: "wait", label: "Awaiting agent" };
  }
}

export function isOnline(cluster: Cluster): boolean {
  return cluster.agentState === "AGENT_STATE_ONLINE";
}

/** The revisions the agent has still to apply. */
export function behind(cluster: Cluster): number {
  return Math.max(0, Number(cluster.revision ?? 0) - Number(cluster.appliedRevision ?? 0));
}

export function wished(workload: Workload): number {
  return workload.status?.wishedReplicas ?? workload.replicas ?? 1;
}

export function ready(workload: Workload): number {
  return workload.status?.readyReplicas ?? 0;
}

export function readyCondition(workload: Workload): Condition | undefined {
  return condition(workload.status?.conditions, "Ready");
}

/** Reasons that mean "on its way" or "your turn", not "broken". */
const ON_ITS_WAY = new Set(["APPLYING", "ROLLING_OUT", "STARTING"]);
const YOUR_TURN = new Set(["IMAGE_AWAITED", "AGENT_AWAITED", "SIGNATURE_AWAITED"]);

export function workloadStanding(workload: Workload): Standing {
  const status = workload.status;
  const isReady = readyCondition(workload);
  const upToDate = Number(status?.observedGeneration ?? 0) >= Number(workload.generation ?? 0);
  if (wished(workload) === 0 && workload.mode !== "WORKLOAD_MODE_GLOBAL" && upToDate && ready(workload) === 0) return { tone: "idle", label: "Scaled to 0" };
  if (isReady?.status === "CONDITION_STATUS_TRUE" && upToDate) {
    return status?.reconciling ? { tone: "busy", label: "Updating" } : { tone: "ok", label: "Ready" };
  }
  const reason = isReady?.reason ?? "";
  if (isReady?.status === "CONDITION_STATUS_UNKNOWN") return { tone: "warn", label: reason === "" ? "Unknown" : reasonWords(reason) };
  if (YOUR_TURN.has(reason)) return { tone: "wait", label: reasonWords(reason) };
  if (ON_ITS_WAY.has(reason) || reason === "") return { tone: "busy", label: reason === "" ? "Pending" : reasonWords(reason) };
  return { tone: ready(workload) > 0 ? "warn" : "bad", label: reasonWords(reason) };
}

export function deploymentStanding(deployment: Deployment): Standing {
  switch (deployment.state) {
    case "DEPLOYMENT_STATE_RUNNING":
      if (deployment.health === "HEALTH_UNHEALTHY") return { tone: "bad", label: "Unhealthy" };
      return { tone: "ok", label: deployment.health === "HEALTH_HEALTHY" ? "Healthy" : "Running" };
    case "DEPLOYMENT_STATE_FAILED":
      return { tone: "bad", label: "Failed" };
    case "DEPLOYMENT_STATE_STOPPED":
      return { tone: "idle", label: "Stopped" };
    case "DEPLOYMENT_STATE_STOPPING":
    case "DEPLOYMENT_STATE_STARTING":
    case "DEPLOYMENT_STATE_SCHEDULED":
      return { tone: "busy", label: reasonWords(enumWord(deployment.state, "DEPLOYMENT_STATE")) };
    default:
      return { tone: "idle", label: "Unknown" };
  }
}

export function nodeStanding(node: Node): Standing {
  const state = node.state ?? "";
  if (state === "ready") return { tone: "ok", label: "Ready" };
  if (state === "drain") return { tone: "warn", label: "Draining" };
  if (state === "down") return { tone: "bad", label: "Down" };
  return { tone: "idle", label: state === "" ? "Unknown" : reasonWords(state) };
}

/** Types of conditions whose truth is the bad news. */
const BAD_WHEN_TRUE = new Set(["AgentConflict"]);

export function conditionStanding(one: Condition): Standing {
  if (one.status === "CONDITION_STATUS_UNKNOWN" || !one.status || one.status === "CONDITION_STATUS_UNSPECIFIED") return { tone: "idle", label: "Unknown" };
  const yes = one.status === "CONDITION_STATUS_TRUE";
  const good = yes !== BAD_WHEN_TRUE.has(one.type ?? "");
  return { tone: good ? "ok" : YOUR_TURN.has(one.reason ?? "") ? "wait" : ON_ITS_WAY.has(one.reason ?? "") ? "busy" : "bad", label: yes ? "Yes" : "No" };
}
