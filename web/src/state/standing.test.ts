import { describe, expect, it } from "vitest";

import type { Cluster, Condition, Deployment, Workload } from "../api/records";
import { needs } from "./needs";
import { behind, clusterStanding, conditionStanding, deploymentStanding, workloadStanding } from "./standing";

const cluster = (more: Partial<Cluster>): Cluster => ({ id: "c1", name: "berlin", ...more });
const workload = (status: Condition["status"], reason: string, more: Partial<Workload> = {}): Workload => ({
  id: "w1",
  name: "shop",
  clusterId: "c1",
  replicas: 2,
  generation: "3",
  status: { observedGeneration: "3", readyReplicas: 0, wishedReplicas: 2, conditions: [{ type: "Ready", ...(status ? { status } : {}), reason, message: `because ${reason}` }] },
  ...more,
});

describe("how a cluster stands", () => {
  it("is awaited, online or offline", () => {
    expect(clusterStanding(cluster({}))).toEqual({ tone: "wait", label: "Awaiting agent" });
    expect(clusterStanding(cluster({ agentState: "AGENT_STATE_ONLINE" }))).toEqual({ tone: "ok", label: "Online" });
    expect(clusterStanding(cluster({ agentState: "AGENT_STATE_OFFLINE" }))).toEqual({ tone: "bad", label: "Offline" });
  });

  it("is not fine while two agents fight over it or its configuration is not applied", () => {
    const conditions = (type: string, status: NonNullable<Condition["status"]>): Condition[] => [{ type, status }];
    expect(clusterStanding(cluster({ agentState: "AGENT_STATE_ONLINE", conditions: conditions("AgentConflict", "CONDITION_STATUS_TRUE") })).tone).toBe("bad");
    expect(clusterStanding(cluster({ agentState: "AGENT_STATE_ONLINE", conditions: conditions("ConfigurationApplied", "CONDITION_STATUS_FALSE") })).tone).toBe("warn");
  });

  it("counts the revisions it is behind", () => {
    expect(behind(cluster({ revision: "41", appliedRevision: "39" }))).toBe(2);
    expect(behind(cluster({}))).toBe(0);
  });
});

describe("how a workload stands", () => {
  it("is ready only when the agent has seen the present generation", () => {
    expect(workloadStanding(workload("CONDITION_STATUS_TRUE", "RUNNING")).tone).toBe("ok");
    expect(workloadStanding(workload("CONDITION_STATUS_TRUE", "RUNNING", { generation: "4" })).tone).not.toBe("ok");
  });

  it("waits for its image, and says so", () => {
    expect(workloadStanding(workload("CONDITION_STATUS_FALSE", "IMAGE_AWAITED"))).toEqual({ tone: "wait", label: "Image awaited" });
  });

  it("is broken when nothing runs and degraded when something does", () => {
    const failing = workload("CONDITION_STATUS_FALSE", "TASK_FAILED");
    expect(workloadStanding(failing).tone).toBe("bad");
    expect(workloadStanding({ ...failing, status: { ...failing.status, readyReplicas: 1 } }).tone).toBe("warn");
  });

  it("is not known when its agent is away", () => {
    expect(workloadStanding(workload("CONDITION_STATUS_UNKNOWN", "AGENT_OFFLINE"))).toEqual({ tone: "warn", label: "Agent offline" });
  });

  it("is pending before anybody has reported", () => {
    expect(workloadStanding({ id: "w", name: "w", clusterId: "c", generation: "1" })).toEqual({ tone: "busy", label: "Pending" });
  });
});

it("takes an unhealthy container for bad though it runs", () => {
  const deployment: Deployment = { id: "d", name: "shop.1", clusterId: "c1", workloadId: "w1", state: "DEPLOYMENT_STATE_RUNNING", health: "HEALTH_UNHEALTHY" };
  expect(deploymentStanding(deployment)).toEqual({ tone: "bad", label: "Unhealthy" });
});

it("shows a true conflict as bad and a false one as good", () => {
  expect(conditionStanding({ type: "AgentConflict", status: "CONDITION_STATUS_TRUE" })).toEqual({ tone: "bad", label: "Yes" });
  expect(conditionStanding({ type: "AgentConflict", status: "CONDITION_STATUS_FALSE" }).tone).toBe("ok");
  expect(conditionStanding({ type: "Ready" }).label).toBe("Unknown");
});

describe("what needs you", () => {
  it("is nothing when all is well", () => {
    expect(needs([cluster({ agentState: "AGENT_STATE_ONLINE" })], [workload("CONDITION_STATUS_TRUE", "RUNNING")], [])).toEqual([]);
  });

  it("is not what comes right by itself", () => {
    expect(needs([cluster({ agentState: "AGENT_STATE_ONLINE" })], [workload("CONDITION_STATUS_FALSE", "ROLLING_OUT")], [])).toEqual([]);
  });

  it("begins with what is broken and says why", () => {
    const list = needs(
      [cluster({ agentState: "AGENT_STATE_ONLINE" }), cluster({ id: "c2", name: "lab" })],
      [workload("CONDITION_STATUS_FALSE", "IMAGE_AWAITED", { id: "w2", name: "mailer" }), workload("CONDITION_STATUS_FALSE", "TASK_FAILED")],
      [],
    );
    expect(list.map(({ subject, tone }) => [subject, tone])).toEqual([["shop", "bad"], ["lab", "wait"], ["mailer", "wait"]]);
    expect(list[0]?.detail).toBe("because TASK_FAILED");
  });

  it("names an offline cluster once, not once for each of its workloads", () => {
    const list = needs([cluster({ agentState: "AGENT_STATE_OFFLINE", revision: "4", appliedRevision: "2" })], [workload("CONDITION_STATUS_UNKNOWN", "AGENT_OFFLINE")], []);
    expect(list.map(({ kind, detail }) => [kind, detail])).toEqual([["cluster", "What runs there goes on running; 2 changes waiting."]]);
  });
});
