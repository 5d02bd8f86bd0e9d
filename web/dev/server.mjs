// The development server: `npm run dev`. Answers the API's screens with a pretend fleet that moves (dev/world.mjs) and serves
// the dashboard, either from its sources with reload (default) or, with --dist, the built files under the gateway's strict
// Content-Security-Policy. A development aid: it checks no rules, forgets everything, and no test of the product uses it.
//
//   node dev/server.mjs [--port 5173] [--dist] [--world small|empty|large] [--still]       login: admin / admin
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";

import { etag, hex, id, makeCluster, makeNodes, makeVersionDetails, makeWorkload, makeWorld, now, versionsOf } from "./world.mjs";

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "5173" },
    dist: { type: "boolean", default: false },
    world: { type: "string", default: "small" },
    still: { type: "boolean", default: false },
  },
});
const world = makeWorld(options.world);
const streams = new Set();
const tokens = new Map();
let revision = 1;

const KEYS = { clusters: "cluster", workloads: "workload", deployments: "deployment", images: "image" };
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };
const CSP = "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

// ---- records that change -------------------------------------------------------------------------------------------

function save(kind, record, event = "changed") {
  record.etag = etag();
  record.updateTime = now();
  if (event === "deleted") world[kind].delete(record.id);
  else world[kind].set(record.id, record);
  revision += 1;
  const message = { event: `WATCH_EVENT_${event.toUpperCase()}`, [KEYS[kind]]: event === "deleted" ? { ...record, deleteTime: now() } : record, cursor: String(revision) };
  for (const stream of streams) if (stream.kind === kind) write(stream.response, event, message);
  return record;
}

const write = (response, event, message) => response.write(`event: ${event}\nid: ${message.cursor}\ndata: ${JSON.stringify(message)}\n\n`);

/** A workload's status after its wish has changed: rolls out in three steps. */
function rollOut(workload) {
  workload.generation = String(Number(workload.generation) + 1);
  const versions = world.versions.get(workload.id) ?? [];
  world.versions.set(workload.id, [{ generation: workload.generation, createTime: now(), cause: "updated", actor: "admin", workload: { ...workload } }, ...versions]);
  const set = (reconciling, readyReplicas, status, reason, message) => {
    if (!world.workloads.has(workload.id)) return;
    const ready = { type: "Ready", status: `CONDITION_STATUS_${status}`, reason, message, lastTransitionTime: now() };
    workload.status = { ...workload.status, observedGeneration: workload.generation, reconciling, readyReplicas, wishedReplicas: workload.replicas, conditions: [ready], message };
    save("workloads", workload);
  };
  save("workloads", workload);
  if (!workload.imageDigest && !workload.image) return;
  setTimeout(() => set(true, Math.max(0, workload.replicas - 1), "FALSE", "ROLLING_OUT", "The new version is rolling out."), 1500);
  setTimeout(() => set(false, workload.replicas, "TRUE", "RUNNING", "All replicas run as wished."), 5000);
}

/** A new cluster's agent connects by itself after a while. */
function connectSoon(cluster) {
  setTimeout(() => {
    if (!world.clusters.has(cluster.id)) return;
    const online = makeCluster(cluster.name, "online");
    Object.assign(cluster, { agentState: online.agentState, agentStateTime: now(), agentVersion: "0.1.0", conditions: online.conditions, nodeCount: 3, revision: "1", appliedRevision: "1" });
    world.nodes.push(...makeNodes(cluster, cluster.name.slice(0, 3)));
    save("clusters", cluster);
  }, 6000);
}

function stir() {
  const deployments = [...world.deployments.values()];
  const one = deployments.find(({ name }) => name === "search.4");
  if (one) {
    one.state = one.state === "DEPLOYMENT_STATE_STARTING" ? "DEPLOYMENT_STATE_RUNNING" : "DEPLOYMENT_STATE_STARTING";
    one.health = one.state === "DEPLOYMENT_STATE_RUNNING" ? "HEALTH_HEALTHY" : "HEALTH_UNKNOWN";
    save("deployments", one);
  }
}

// ---- answers -------------------------------------------------------------------------------------------------------

class Refusal extends Error {
  constructor(problem) {
    super(problem.title);
    this.problem = problem;
  }
}

const refuse = (status, reason, title, detail, action, violations) => {
  throw new Refusal({ type: `/docs/errors#${reason}`, status, reason, title, detail, action, requestId: id(), ...(violations ? { violations } : {}) });
};
const must = (found, kind) => found ?? refuse(404, "NOT_FOUND", "Not found", `There is no such ${kind}.`, "Check the id.");

function pair(user) {
  const accessToken = id();
  tokens.set(accessToken, Date.now() + 600_000);
  return { identity: { id: "u".repeat(20), name: user, type: "IDENTITY_TYPE_HUMAN", roles: ["admin"] }, accessToken, refreshToken: id() };
}

function named(body, field) {
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(body.name ?? "")) {
    refuse(400, "INVALID_ARGUMENT", "One or more fields break a rule", "", "Correct the fields and send the request again.", [
      { field: `${field}.name`, description: "must begin with a letter and hold only lowercase letters, digits and dashes, at most 63" },
    ]);
  }
}

const routes = [
  ["POST /api/v1/auth/login", ({ body }) => (body.username === "admin" && body.password === "admin" ? pair("admin") : refuse(401, "CREDENTIALS_INVALID", "The user name, password or token is wrong", "", "Check the credentials."))],
  ["GET /api/v1/auth/permissions", () => ({ results: ["users.read", "users.write", "images.write", "external-registries.read", "external-registries.write"].map((permission) => ({ permission, allowed: true })) })],
  ["GET /api/v1/auth/factors", () => ({ password: true })],
  ["GET /api/v1/auth/sessions", () => ({ sessions: [{ id: "s1", remoteAddress: "127.0.0.1", userAgent: "Firefox/140 Linux", createTime: now(), lastUseTime: now(), current: true }] })],
  ["POST /api/v1/auth/refresh", () => pair("admin")],
  ["POST /api/v1/auth/logout", () => ({})],
  ["POST /api/v1/clusters", ({ body }) => {
    named(body.cluster ?? {}, "cluster");
    const cluster = save("clusters", makeCluster(body.cluster.name, "awaited", 1));
    connectSoon(cluster);
    return { cluster, jumpCode: `cjc_${hex(revision).slice(0, 43)}` };
  }],
  ["DELETE /api/v1/clusters/:id", ({ params }) => save("clusters", must(world.clusters.get(params.id), "cluster"), "deleted") && {}],
  ["POST /api/v1/clusters/:id/rotate-jump-code", () => ({ jumpCode: `cjc_${hex(revision + 9).slice(0, 43)}` })],
  ["GET /api/v1/nodes", ({ query }) => ({ nodes: world.nodes.filter(({ clusterId }) => !query.get("clusterId") || clusterId === query.get("clusterId")), nextPageToken: "" })],
  ["POST /api/v1/workloads", ({ body }) => {
    named(body, "workload");
    const cluster = must(world.clusters.get(body.clusterId), "cluster");
    const made = makeWorkload(cluster, body.name, "awaited", body);
    world.versions.set(made.id, [{ generation: "4", createTime: now(), cause: "created", actor: "admin", workload: made }]);
    return save("workloads", made);
  }],
  ["GET /api/v1/workloads/:id", ({ params }) => must(world.workloads.get(params.id), "workload")],
  ["PATCH /api/v1/workloads/:id", ({ params, body, match }) => {
    const workload = must(world.workloads.get(params.id), "workload");
    if (match && match !== `"${workload.etag}"`) refuse(412, "STALE_ETAG", "The resource has changed since it was read", "", "Read it again and apply the change to what it is now.");
    if ("name" in body) named(body, "workload");
    Object.assign(workload, body);
    rollOut(workload);
    return workload;
  }],
  ["DELETE /api/v1/workloads/:id", ({ params }) => save("workloads", must(world.workloads.get(params.id), "workload"), "deleted") && {}],
  ["GET /api/v1/workloads/:id/versions", ({ params }) => ({ versions: world.versions.get(params.id) ?? [], nextPageToken: "" })],
  ["POST /api/v1/workloads/:id/rollback", ({ params, body }) => {
    const workload = must(world.workloads.get(params.id), "workload");
    const version = must(world.versions.get(params.id)?.find(({ generation }) => generation === String(body.generation)), "version");
    Object.assign(workload, { replicas: version.workload.replicas, imageDigest: version.workload.imageDigest, imageTag: version.workload.imageTag });
    rollOut(workload);
    return workload;
  }],
  ["GET /api/v1/images/:id/versions", ({ params }) => ({ versions: versionsOf(must(world.images.get(params.id), "image")) })],
  ["GET /api/v1/images/:id/versions/:reference", ({ params }) => {
    const versions = versionsOf(must(world.images.get(params.id), "image"));
    const wanted = decodeURIComponent(params.reference);
    return makeVersionDetails(must(versions.find(({ tag, digest }) => tag === wanted || digest === wanted), "image version"));
  }],
  ["PATCH /api/v1/images/:id", ({ params, body }) => save("images", Object.assign(must(world.images.get(params.id), "image"), body))],
  ["POST /api/v1/images/:id/retention/preview", ({ params }) => ({ tags: [], outdatedCount: 0, keptCount: must(world.images.get(params.id), "image").versionCount })],
  ["GET /api/v1/registry/quarantine", () => ({ versions: [] })],
  ["GET /api/v1/registry/usage", () => {
    const images = [...world.images.values()];
    const imageBytes = images.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
    return { imageCount: images.length, versionCount: images.reduce((sum, { versionCount }) => sum + versionCount, 0), blobCount: "212", blobBytes: String(Math.round(imageBytes * 0.7)), imageBytes: String(imageBytes) };
  }],
  ["GET /api/v1/external-registries", () => ({ externalRegistries: world.externalRegistries })],
  ["GET /api/v1/executions", () => ({ executions: [] })],
  ["DELETE /api/v1/images/:id", () => refuse(409, "FAILED_PRECONDITION", "The resource's state does not allow this", "Cluster berlin-main runs one of its digests.", "Delete or change the workload first.")],
];

async function answerApi(request, response, url) {
  const watched = /^\/api\/v1\/(clusters|workloads|deployments|images):watch$/.exec(url.pathname)?.[1];
  const open = url.pathname.startsWith("/api/v1/auth/");
  if (!open && (tokens.get((request.headers.authorization ?? "").replace("Bearer ", "")) ?? 0) < Date.now()) {
    refuse(401, "TOKEN_EXPIRED", "The token's time is over", "", "Refresh the session or log in again.");
  }
  if (watched) return watch(request, response, watched);
  for (const [route, handle] of routes) {
    const [method, path] = route.split(" ");
    const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
    const found = method === request.method && new RegExp(`^${path.replace(/:\w+/g, "([^/]+)")}$`).exec(url.pathname);
    if (!found) continue;
    const params = Object.fromEntries(names.map((name, at) => [name, found[at + 1]]));
    const body = await read(request);
    const answer = handle({ params, body, query: url.searchParams, match: request.headers["if-match"] });
    return send(response, method === "POST" && !open ? 201 : 200, answer);
  }
  return refuse(404, "UNIMPLEMENTED", "This method does not exist here", url.pathname, "The development server knows only what the screens need.");
}

function watch(request, response, kind) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  for (const record of world[kind].values()) write(response, "snapshot", { event: "WATCH_EVENT_SNAPSHOT", [KEYS[kind]]: record, cursor: String(revision) });
  write(response, "bookmark", { event: "WATCH_EVENT_BOOKMARK", cursor: String(revision) });
  const stream = { kind, response };
  streams.add(stream);
  const beat = setInterval(() => response.write(": beat\n\n"), 15_000);
  request.on("close", () => {
    streams.delete(stream);
    clearInterval(beat);
  });
}

async function read(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text === "" ? {} : JSON.parse(text);
}

function send(response, status, answer, type = "application/json") {
  response.writeHead(status, { "content-type": type });
  response.end(JSON.stringify(answer));
}

function answerFile(response, path) {
  const root = join(import.meta.dirname, "..", "dist");
  const wanted = join(root, normalize(path));
  const file = wanted.startsWith(root) && existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(root, "index.html");
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": CSP, "x-content-type-options": "nosniff" });
  createReadStream(file).pipe(response);
}

// ---- running -------------------------------------------------------------------------------------------------------

async function answer(request, response, fallback) {
  const url = new URL(request.url, "http://localhost");
  if (!url.pathname.startsWith("/api/")) return fallback(request, response, url);
  try {
    await answerApi(request, response, url);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(response, error.problem.status, error.problem, "application/problem+json");
  }
}

let fallback = (_, response, url) => answerFile(response, url.pathname);
const server = createServer((request, response) => void answer(request, response, fallback));
if (!options.dist) {
  const vite = await (await import("vite")).createServer({ server: { middlewareMode: true, hmr: { server } } });
  fallback = (request, response) => vite.middlewares(request, response);
}
if (!options.still) setInterval(stir, 8000);
server.listen(Number(options.port), "127.0.0.1", () => console.log(`the dashboard with a pretend fleet: http://127.0.0.1:${options.port}/  (admin / admin)`));
