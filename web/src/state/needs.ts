// "What needs you": the few things in the whole fleet that will not come right by themselves, worst first.
import type { Cluster, Deployment, Workload } from "../api/records";
import { behind, clusterStanding, readyCondition, workloadStanding, type Tone } from "./standing";
import { count, reasonWords } from "../text/format";

export interface Need {
  /** Stable, for keyed rendering. */
  key: string;
  tone: Tone;
  /** What it is about: a workload's or cluster's name. */
  subject: string;
  kind: "cluster" | "workload";
  title: string;
  detail: string;
  href: string;
  /** Since when, RFC 3339; "" when not known. */
  since: string;
}

const ORDER: Record<Tone, number> = { bad: 0, warn: 1, wait: 2, busy: 3, idle: 4, ok: 5 };

export function needs(clusters: readonly Cluster[], workloads: readonly Workload[], deployments: readonly Deployment[]): Need[] {
  const offline = new Set(clusters.filter((cluster) => cluster.agentState === "AGENT_STATE_OFFLINE").map(({ id }) => id));
  const failures = failedByWorkload(deployments);
  const all = [
    ...clusters.map(clusterNeed),
    // One offline cluster is one need, not one for each of its workloads.
    ...workloads.filter(({ clusterId }) => !offline.has(clusterId)).map((workload) => workloadNeed(workload, failures.get(workload.id))),
  ];
  return all
    .filter((need): need is Need => need !== undefined)
    .sort((a, b) => ORDER[a.tone] - ORDER[b.tone] || b.since.localeCompare(a.since) || a.subject.localeCompare(b.subject));
}

function clusterNeed(cluster: Cluster): Need | undefined {
  const standing = clusterStanding(cluster);
  const href = `/clusters/${cluster.id}`;
  const base = { key: `cluster ${cluster.id}`, tone: standing.tone, subject: cluster.name, kind: "cluster" as const, href, since: cluster.agentStateTime ?? cluster.createTime ?? "" };
  if (standing.tone === "ok") return undefined;
  if (standing.tone === "wait") return { ...base, title: "Awaiting agent", detail: "No agent has connected yet. Start one on a Swarm manager with the cluster's jump code." };
  const said = cluster.conditions?.find((one) => one.message && (one.type === "AgentConflict" ? one.status === "CONDITION_STATUS_TRUE" : one.status !== "CONDITION_STATUS_TRUE"));
  if (cluster.agentState === "AGENT_STATE_OFFLINE") {
    const waiting = behind(cluster);
    return {
      ...base,
      title: "The agent is offline",
      detail: said?.message ?? `What runs there goes on running${waiting > 0 ? `; ${count(waiting, "change")} waiting` : ""}.`,
    };
  }
  return { ...base, title: standing.label, detail: said?.message ?? "" };
}

function workloadNeed(workload: Workload, failed: Deployment[] | undefined): Need | undefined {
  const standing = workloadStanding(workload);
  if (!["bad", "warn", "wait"].includes(standing.tone)) return undefined;
  const newest = failed?.[0];
  return {
    key: `workload ${workload.id}`,
    tone: standing.tone,
    subject: workload.name,
    kind: "workload",
    title: standing.label,
    detail: readyCondition(workload)?.message ?? workload.status?.message ?? newest?.message ?? reasonWords(newest?.reason ?? ""),
    href: `/workloads/${workload.id}`,
    since: readyCondition(workload)?.lastTransitionTime ?? workload.updateTime ?? "",
  };
}

function failedByWorkload(deployments: readonly Deployment[]): Map<string, Deployment[]> {
  const failed = deployments
    .filter(({ state }) => state === "DEPLOYMENT_STATE_FAILED")
    .sort((a, b) => (b.updateTime ?? "").localeCompare(a.updateTime ?? ""));
  const groups = new Map<string, Deployment[]>();
  for (const deployment of failed) groups.set(deployment.workloadId, [...(groups.get(deployment.workloadId) ?? []), deployment]);
  return groups;
}
