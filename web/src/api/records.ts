// The records of the REST API as the dashboard uses them, declared by hand after proto/cloudly/**.
// This file is the only one to replace when the types are made from /api/openapi.json: nothing else declares a wire shape.
// Fields that hold their proto default may be absent in JSON, so all but the keys are optional; int64 are decimal strings,
// times RFC 3339 strings, enums their full proto names.

export type Int64 = string;
export type Timestamp = string;

/** What every resource has. */
export interface Resource {
  id: string;
  name: string;
  labels?: Record<string, string>;
  createTime?: Timestamp;
  updateTime?: Timestamp;
  etag?: string;
  deleteTime?: Timestamp;
}

export type ConditionStatus = "CONDITION_STATUS_UNSPECIFIED" | "CONDITION_STATUS_TRUE" | "CONDITION_STATUS_FALSE" | "CONDITION_STATUS_UNKNOWN";

export interface Condition {
  type: string;
  status?: ConditionStatus;
  reason?: string;
  message?: string;
  lastTransitionTime?: Timestamp;
}

export interface Identity {
  id: string;
  name: string;
  type?: "IDENTITY_TYPE_UNSPECIFIED" | "IDENTITY_TYPE_HUMAN" | "IDENTITY_TYPE_MACHINE";
  roles?: string[];
  clusterId?: string;
  expireTime?: Timestamp;
  sessionId?: string;
}

/** The answer of Login and RefreshSession. */
export interface TokenPair {
  identity: Identity;
  accessToken: string;
  refreshToken: string;
}

export type AgentState = "AGENT_STATE_UNSPECIFIED" | "AGENT_STATE_AWAITED" | "AGENT_STATE_ONLINE" | "AGENT_STATE_OFFLINE";

export interface Cluster extends Resource {
  setupMode?: "SETUP_MODE_UNSPECIFIED" | "SETUP_MODE_MANUAL" | "SETUP_MODE_HETZNER" | "SETUP_MODE_AWS" | "SETUP_MODE_DIGITALOCEAN";
  identityId?: string;
  agentState?: AgentState;
  agentStateTime?: Timestamp;
  agentVersion?: string;
  revision?: Int64;
  appliedRevision?: Int64;
  conditions?: Condition[];
  nodeCount?: number;
  workloadCount?: number;
}

export interface CreatedCluster {
  cluster: Cluster;
  /** Shown this once; empty when the create was repeated. */
  jumpCode?: string;
}

export interface Node extends Resource {
  clusterId: string;
  role?: string;
  state?: string;
  address?: string;
  cpus?: number;
  memoryBytes?: Int64;
  engineVersion?: string;
  architecture?: string;
}

export interface WorkloadDomain {
  name: string;
  port?: number;
  protocol?: string;
}

export interface Resources {
  cpuLimit?: number;
  cpuReservation?: number;
  memoryLimitBytes?: Int64;
  memoryReservationBytes?: Int64;
}

export interface HealthCheck {
  command: string[];
  intervalSeconds?: number;
  timeoutSeconds?: number;
  retries?: number;
  startPeriodSeconds?: number;
}

export interface UpdateStrategy {
  order?: "UPDATE_ORDER_UNSPECIFIED" | "UPDATE_ORDER_START_FIRST" | "UPDATE_ORDER_STOP_FIRST";
  parallelism?: number;
  delaySeconds?: number;
  monitorSeconds?: number;
}

export interface PublishedPort {
  containerPort: number;
  hostPort: number;
  protocol?: string;
}

export interface WorkloadStatus {
  observedGeneration?: Int64;
  reconciling?: boolean;
  conditions?: Condition[];
  readyReplicas?: number;
  wishedReplicas?: number;
  runningDigest?: string;
  message?: string;
}

export type WorkloadMode = "WORKLOAD_MODE_UNSPECIFIED" | "WORKLOAD_MODE_REPLICATED" | "WORKLOAD_MODE_GLOBAL";
export type WorkloadCategory =
  | "WORKLOAD_CATEGORY_UNSPECIFIED"
  | "WORKLOAD_CATEGORY_BASE"
  | "WORKLOAD_CATEGORY_DISTRIBUTED"
  | "WORKLOAD_CATEGORY_WORKLOAD";

/** What a person can wish for in a workload: the fields that a create or update carries. */
export interface WorkloadWish {
  name: string;
  labels?: Record<string, string>;
  clusterId?: string;
  description?: string;
  image?: string;
  tag?: string;
  deployOnPush?: boolean;
  replicas?: number;
  mode?: WorkloadMode;
  category?: WorkloadCategory;
  webPort?: number;
  domains?: WorkloadDomain[];
  environment?: Record<string, string>;
  command?: string[];
  arguments?: string[];
  resources?: Resources | null;
  healthCheck?: HealthCheck | null;
  updateStrategy?: UpdateStrategy | null;
  publishedPorts?: PublishedPort[];
}

export interface Workload extends Resource, WorkloadWish {
  name: string;
  labels?: Record<string, string>;
  clusterId: string;
  registryTarget?: string;
  imageDigest?: string;
  imageTag?: string;
  generation?: Int64;
  status?: WorkloadStatus;
}

export interface WorkloadVersion {
  generation: Int64;
  createTime?: Timestamp;
  cause?: string;
  actor?: string;
  workload?: Workload;
}

export type DeploymentState =
  | "DEPLOYMENT_STATE_UNSPECIFIED"
  | "DEPLOYMENT_STATE_SCHEDULED"
  | "DEPLOYMENT_STATE_STARTING"
  | "DEPLOYMENT_STATE_RUNNING"
  | "DEPLOYMENT_STATE_STOPPING"
  | "DEPLOYMENT_STATE_STOPPED"
  | "DEPLOYMENT_STATE_FAILED";

export interface Deployment extends Resource {
  clusterId: string;
  workloadId: string;
  nodeId?: string;
  containerId?: string;
  image?: string;
  imageDigest?: string;
  workloadGeneration?: Int64;
  state?: DeploymentState;
  health?: "HEALTH_UNSPECIFIED" | "HEALTH_HEALTHY" | "HEALTH_UNHEALTHY" | "HEALTH_UNKNOWN";
  reason?: string;
  message?: string;
  logTail?: string[];
  startTime?: Timestamp;
}

export interface ImageVersion {
  tag: string;
  digest: string;
  mediaType?: string;
  sizeBytes?: Int64;
  pushTime?: Timestamp;
  pushedBy?: string;
  platforms?: string[];
}

export interface Image extends Resource {
  description?: string;
  repository?: string;
  versions?: ImageVersion[];
  versionCount?: number;
  sizeBytes?: Int64;
  workloadId?: string;
}

/** A page of a list: the items under the resource's plural name. */
export type Page<Key extends string, Item> = Partial<Record<Key, Item[]>> & { nextPageToken?: string };
