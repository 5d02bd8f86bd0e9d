// What the whole dashboard shares: the session, the door to the API, the watched collections.
import { Client } from "../api/client";
import type { Cluster, Deployment, Image, Workload } from "../api/records";
import { WatchedCollection } from "./collection";
import { Permissions } from "./permissions";
import { Session } from "./session";

export const session = new Session(localStorage);
export const client = new Client(session);
export const permissions = new Permissions(client);

export const clusters = new WatchedCollection<Cluster>(client, { path: "/api/v1/clusters:watch", key: "cluster" });
export const workloads = new WatchedCollection<Workload>(client, { path: "/api/v1/workloads:watch", key: "workload" });
export const deployments = new WatchedCollection<Deployment>(client, { path: "/api/v1/deployments:watch", key: "deployment" });
export const images = new WatchedCollection<Image>(client, { path: "/api/v1/images:watch", key: "image" });

session.followOtherTabs(window);
session.addEventListener("change", () => {
  permissions.forget();
  for (const collection of [clusters, workloads, deployments, images]) collection.forget();
});
