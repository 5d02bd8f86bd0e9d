// A small pretend fleet for `npm run dev`: realistic records that move. A development aid; no test of the product uses it.

let counter = 1;
const letters = "abcdefghijklmnopqrstuvwxyz234567";

/** A repeatable id in the shape of the real ones. */
export function id() {
  let state = (counter++ * 2654435761) >>> 0;
  let text = "";
  for (let at = 0; at < 20; at += 1) {
    state = (state * 1103515245 + 12345) >>> 0;
    text += letters[(state >>> 16) % 32];
  }
  return text;
}

export const etag = () => id().slice(0, 16);
export const hex = (seed) => Array.from({ length: 64 }, (_, at) => ((seed * 7919 + at * 104729 + ((seed * at) % 97)) % 16).toString(16)).join("");
export const past = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
export const now = () => new Date().toISOString();

export const host = "localhost:8080";

function base(name, age) {
  return { id: id(), name, labels: {}, createTime: past(age), updateTime: past(age / 3), etag: etag() };
}

function condition(type, status, reason, message, age) {
  return { type, status: `CONDITION_STATUS_${status}`, reason, message, lastTransitionTime: past(age) };
}

export function makeCluster(name, kind, age = 86400 * 20) {
  const online = kind === "online" || kind === "behind";
  const revision = kind === "awaited" ? 0 : 41;
  return {
    ...base(name, age),
    setupMode: "SETUP_MODE_MANUAL",
    identityId: id(),
    agentState: kind === "awaited" ? "AGENT_STATE_AWAITED" : online ? "AGENT_STATE_ONLINE" : "AGENT_STATE_OFFLINE",
    agentStateTime: past(online ? 86400 * 3 : 2400),
    agentVersion: kind === "awaited" ? "" : "0.1.0",
    revision: String(revision),
    appliedRevision: String(kind === "behind" ? 39 : kind === "offline" ? 38 : revision),
    conditions: [
      kind === "awaited"
        ? condition("AgentOnline", "FALSE", "AGENT_AWAITED", "No agent has connected with this cluster's jump code yet.", 300)
        : online
          ? condition("AgentOnline", "TRUE", "CONNECTED", "", 86400 * 3)
          : condition("AgentOnline", "FALSE", "AGENT_OFFLINE", "The agent's heartbeats stopped 40 minutes ago. What runs there goes on running; 3 changes are waiting. Check the host and its way to Cloudly.", 2400),
      ...(kind === "awaited"
        ? []
        : [
            kind === "behind"
              ? condition("ConfigurationApplied", "FALSE", "PARTIALLY_APPLIED", "1 of 6 workloads could not be applied: host port 5432 is already in use on node muc-2.", 600)
              : condition("ConfigurationApplied", online ? "TRUE" : "UNKNOWN", online ? "APPLIED" : "AGENT_OFFLINE", "", 7200),
          ]),
    ],
    nodeCount: kind === "awaited" ? 0 : 3,
    workloadCount: 0,
  };
}

export function makeNodes(cluster, prefix) {
  return [0, 1, 2].map((at) => ({
    ...base(`${prefix}-${at + 1}`, 86400 * 19),
    clusterId: cluster.id,
    role: at === 0 ? "manager" : "worker",
    state: at === 2 && prefix === "muc" ? "drain" : "ready",
    address: `10.20.${prefix.length}.${11 + at}`,
    cpus: at === 0 ? 4 : 8,
    memoryBytes: String((at === 0 ? 8 : 32) * 1024 ** 3),
    engineVersion: "28.5.1",
    architecture: "x86_64",
  }));
}

export function makeWorkload(cluster, name, kind, more = {}) {
  const replicas = more.replicas ?? 1;
  const seed = name.length * 31 + name.charCodeAt(0);
  const digest = kind === "awaited" || more.image ? "" : `sha256:${hex(seed)}`;
  const own = base(name, 86400 * 12);
  const target = `${host}/workloads/${name}-${own.id.slice(0, 6)}`;
  const says = {
    ready: ["TRUE", "RUNNING", "All replicas run as wished.", replicas],
    awaited: ["FALSE", "IMAGE_AWAITED", `No image has been pushed to ${target}:latest yet. Push one; it rolls out by itself.`, 0],
    failing: ["FALSE", "TASK_FAILED", "The container exits with status 1 a few seconds after its start (7 times in 10 minutes). Its last line: Error: DATABASE_URL is not set.", 0],
    pull: ["FALSE", "NO_SUCH_IMAGE", `docker.io/library/redis:8.9-alpine does not exist in its registry. Correct the tag of the image.`, 0],
    rolling: ["FALSE", "ROLLING_OUT", `1 of ${replicas} replicas run the new version.`, Math.max(1, replicas - 1)],
    degraded: ["FALSE", "UNHEALTHY", `1 of ${replicas} replicas fails its health check: curl: (7) Failed to connect to localhost port 8080.`, replicas - 1],
    off: ["TRUE", "SCALED_TO_ZERO", "", 0],
  }[kind];
  const [status, reason, message, readyReplicas] = says;
  return {
    ...own,
    clusterId: cluster.id,
    description: "",
    image: "",
    tag: "",
    deployOnPush: true,
    replicas,
    mode: "WORKLOAD_MODE_REPLICATED",
    category: "WORKLOAD_CATEGORY_WORKLOAD",
    webPort: 8080,
    domains: [],
    environment: {},
    command: [],
    arguments: [],
    publishedPorts: [],
    registryTarget: target,
    imageDigest: digest,
    imageTag: digest ? "latest" : "",
    generation: "4",
    status: {
      observedGeneration: "4",
      reconciling: kind === "rolling",
      conditions: [condition("Ready", status, reason, message, kind === "ready" ? 86400 : 900)],
      readyReplicas,
      wishedReplicas: replicas,
      runningDigest: digest,
      message: message ? `${reason}: ${message}` : "",
    },
    ...more,
  };
}

export function makeDeployment(workload, slot, node, state, more = {}) {
  return {
    ...base(`${workload.name}.${slot}`, 86400),
    clusterId: workload.clusterId,
    workloadId: workload.id,
    nodeId: node.id,
    containerId: hex(slot * 13 + workload.name.length).slice(0, 12),
    image: workload.image || `${workload.registryTarget}@${workload.imageDigest}`,
    imageDigest: workload.imageDigest || `sha256:${hex(slot + 40)}`,
    workloadGeneration: workload.generation,
    state: `DEPLOYMENT_STATE_${state}`,
    health: state === "RUNNING" ? "HEALTH_HEALTHY" : "HEALTH_UNKNOWN",
    reason: "",
    message: "",
    logTail: [],
    startTime: past(3600 * (slot + 2)),
    ...more,
  };
}

export function makeImage(workload, tags) {
  const repository = workload.registryTarget.split("/").slice(1).join("/");
  const versions = tags.map((tag, at) => ({
    tag,
    digest: at === 0 ? workload.imageDigest : `sha256:${hex(at * 17 + workload.name.length)}`,
    mediaType: "application/vnd.oci.image.index.v1+json",
    sizeBytes: String(48_234_112 + at * 3_111_222),
    pushTime: past(3600 * (at * 30 + 5)),
    pushedBy: at % 2 ? "ci-github" : "admin",
    platforms: at % 3 === 2 ? ["linux/amd64"] : ["linux/amd64", "linux/arm64"],
  }));
  return {
    ...base(repository.split("/")[1], 86400 * 12),
    description: "",
    repository,
    target: workload.registryTarget,
    versions,
    versionCount: versions.length,
    sizeBytes: String(versions.length * 31_000_000 + 40_000_000),
    workloadId: workload.id,
  };
}

/** The versions of an image by digest, as the list of them tells it. */
export const versionsOf = (image) => image.versions.map((version) => ({
  ...version,
  tags: [version.tag],
  kind: version.platforms.length > 1 ? "IMAGE_VERSION_KIND_INDEX" : "IMAGE_VERSION_KIND_IMAGE",
}));

/** A version taken apart: a build of four steps for each platform, and a signature. */
export function makeVersionDetails(version) {
  const steps = [["ADD alpine-minirootfs.tar.gz /", 3_642_247], ["ENV NODE_ENV=production", 0], ["RUN /bin/sh -c apk add --no-cache nodejs # buildkit", 31_204_889], ["COPY dist /app # buildkit", 9_871_002]];
  const manifests = version.platforms.map((platform, part) => {
    const layers = steps.filter(([, size]) => size > 0).map(([, size], at) => ({ digest: `sha256:${hex(at * 3 + part + 5)}`, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", sizeBytes: String(size) }));
    let next = 0;
    const history = steps.map(([createdBy, size]) => ({ createdBy, createTime: version.pushTime, layerDigest: size > 0 ? layers[next++].digest : "", sizeBytes: String(size) }));
    const environment = [{ name: "NODE_ENV", value: "production" }, { name: "LICENSE_KEY", value: "A1-B2-C3" }];
    const config = { entrypoint: ["node"], command: ["/app/main.js"], user: "node", workingDirectory: "/app", exposedPorts: ["8080/tcp"], environment, labels: { "org.opencontainers.image.version": version.tag }, history };
    return { digest: version.platforms.length > 1 ? `sha256:${hex(part + 77)}` : version.digest, platform, present: true, sizeBytes: "44718138", layers, config };
  });
  const referrers = [{ digest: `sha256:${hex(91)}`, kind: "IMAGE_REFERRER_KIND_SIGNATURE", artifactType: "application/vnd.cncf.notary.signature", sizeBytes: "2312" }];
  return { version, manifests, manifestCount: manifests.length, referrers, partOf: [] };
}

/** The fleet as it is when the development server starts; `size` "empty" has nothing, "large" thousands of deployments. */
export function makeWorld(size) {
  const world = { clusters: new Map(), nodes: [], workloads: new Map(), deployments: new Map(), images: new Map(), versions: new Map(), externalRegistries: [] };
  if (size === "empty") return world;
  const put = (kind, item) => world[kind].set(item.id, item) && item;
  const berlin = put("clusters", makeCluster("berlin-main", "online"));
  const munich = put("clusters", makeCluster("munich-edge", "behind"));
  const oslo = put("clusters", makeCluster("oslo-depot-7", "offline"));
  put("clusters", makeCluster("lisbon-lab", "awaited", 900));
  world.nodes = [...makeNodes(berlin, "ber"), ...makeNodes(munich, "muc"), ...makeNodes(oslo, "osl")];
  const [b1, b2, b3, m1, m2, , o1] = world.nodes;

  const shop = put("workloads", makeWorkload(berlin, "web-shop", "ready", {
    replicas: 3,
    description: "The shop's front end and its API.",
    domains: [{ name: "shop.example.org", port: 0, protocol: "https" }, { name: "www.shop.example.org", port: 0, protocol: "https" }],
    environment: { DATABASE_URL: "postgres://shop@db/shop", LOG_LEVEL: "info", NODE_ENV: "production" },
    resources: { cpuLimit: 1.5, cpuReservation: 0.5, memoryLimitBytes: String(512 * 1024 ** 2), memoryReservationBytes: String(256 * 1024 ** 2) },
    healthCheck: { command: ["curl", "-fsS", "http://localhost:8080/healthz"], intervalSeconds: 10, timeoutSeconds: 3, retries: 3, startPeriodSeconds: 20 },
    labels: { team: "shop", tier: "front" },
  }));
  const billing = put("workloads", makeWorkload(berlin, "billing", "failing", { replicas: 2, description: "Invoices, nightly." }));
  const search = put("workloads", makeWorkload(berlin, "search", "rolling", { replicas: 4 }));
  const mailer = put("workloads", makeWorkload(berlin, "mailer", "awaited"));
  const cache = put("workloads", makeWorkload(munich, "cache", "pull", { image: "docker.io/library/redis:8.9-alpine", webPort: 0 }));
  const gate = put("workloads", makeWorkload(munich, "gate-reader", "degraded", { replicas: 3 }));
  const exporter = put("workloads", makeWorkload(munich, "node-exporter", "ready", { image: "quay.io/prometheus/node-exporter:v1.9.1", mode: "WORKLOAD_MODE_GLOBAL", replicas: 3, category: "WORKLOAD_CATEGORY_BASE", publishedPorts: [{ containerPort: 9100, hostPort: 9100, protocol: "tcp" }] }));
  const depot = put("workloads", makeWorkload(oslo, "depot-scanner", "ready", { replicas: 1 }));
  put("workloads", makeWorkload(berlin, "old-reports", "off", { replicas: 0 }));
  for (const cluster of [berlin, munich, oslo]) cluster.workloadCount = [...world.workloads.values()].filter(({ clusterId }) => clusterId === cluster.id).length;

  [b1, b2, b3].forEach((node, at) => put("deployments", makeDeployment(shop, at + 1, node, "RUNNING")));
  const crash = {
    reason: "TASK_FAILED",
    message: "Exited with status 1 after 3 s.",
    logTail: ["> billing@2.4.0 start", "> node dist/main.js", "", "config: reading environment", "Error: DATABASE_URL is not set", "    at readConfig (/app/dist/config.js:18:11)", "    at main (/app/dist/main.js:7:18)"],
  };
  put("deployments", makeDeployment(billing, 1, b2, "FAILED", { ...crash, startTime: past(42) }));
  put("deployments", makeDeployment(billing, 2, b3, "FAILED", { ...crash, startTime: past(95) }));
  [b1, b2, b3].forEach((node, at) => put("deployments", makeDeployment(search, at + 1, node, "RUNNING", { workloadGeneration: at === 0 ? "4" : "3" })));
  put("deployments", makeDeployment(search, 4, b1, "STARTING", { startTime: past(6) }));
  put("deployments", makeDeployment(cache, 1, m1, "FAILED", { reason: "NO_SUCH_IMAGE", message: "No such image: docker.io/library/redis:8.9-alpine", containerId: "", startTime: past(300) }));
  put("deployments", makeDeployment(gate, 1, m1, "RUNNING"));
  put("deployments", makeDeployment(gate, 2, m2, "RUNNING", { health: "HEALTH_UNHEALTHY", reason: "UNHEALTHY", message: "Health check failed 3 times: curl: (7) Failed to connect to localhost port 8080", logTail: ["gate: listening on :8081", "gate: reader 4 connected"] }));
  put("deployments", makeDeployment(gate, 3, m2, "RUNNING"));
  [m1, m2].forEach((node, at) => put("deployments", makeDeployment(exporter, at + 1, node, "RUNNING")));
  put("deployments", makeDeployment(depot, 1, o1, "RUNNING"));
  if (size === "large") {
    for (let at = 0; at < 5000; at += 1) put("deployments", makeDeployment(shop, at + 10, world.nodes[at % 3], at % 37 === 0 ? "FAILED" : "RUNNING"));
  }

  world.externalRegistries = [
    { ...base("github", 86400 * 40), url: "https://ghcr.io", server: "ghcr.io", username: "shop-ci", hasPassword: true, isDefault: true, status: "EXTERNAL_REGISTRY_STATUS_WORKING", checkTime: past(5400) },
    { ...base("quay", 86400 * 9), url: "https://quay.io", server: "quay.io", username: "depot", hasPassword: true, status: "EXTERNAL_REGISTRY_STATUS_DENIED", lastError: "quay.io refuses the login: 401 Unauthorized", checkTime: past(300) },
  ];
  put("images", makeImage(shop, ["latest", "2.8.1", "2.8.0", "2.7.3", "2.7.2"]));
  put("images", makeImage(billing, ["latest", "2.4.0"]));
  put("images", makeImage(search, ["latest", "nightly-1121", "nightly-1120"]));
  put("images", makeImage(gate, ["latest"]));
  put("images", { ...makeImage(mailer, []), sizeBytes: "0" });

  for (const workload of world.workloads.values()) {
    world.versions.set(workload.id, [4, 3, 2, 1].map((generation) => ({
      generation: String(generation),
      createTime: past(3600 * (5 - generation) * 20),
      cause: { 1: "created", 2: "pushed", 3: "updated", 4: "pushed" }[generation],
      actor: generation % 2 ? "admin" : "ci-github",
      workload: { ...workload, replicas: generation < 3 ? 1 : workload.replicas, imageDigest: workload.imageDigest && `sha256:${hex(generation * 5)}`, imageTag: workload.imageTag && `2.8.${generation}` },
    })));
  }
  return world;
}
