// The dashboard's pages. Each one's code is loaded when it is first visited.
import { html } from "lit";

import type { Route } from "./router";

export const routes: readonly Route[] = [
  { path: "/login", section: "", audience: "guest", load: () => import("./views/login/login"), render: () => html`<cl-login></cl-login>` },
  { path: "/enrol", section: "", audience: "enrolling", load: () => import("./views/enrol/enrol"), render: () => html`<cl-enrol></cl-enrol>` },
  { path: "/account", section: "account", load: () => import("./views/account/account-page"), render: () => html`<cl-account-page></cl-account-page>` },
  { path: "/login-code", section: "", audience: "anybody", load: () => import("./views/login/login-code"), render: () => html`<cl-login-code></cl-login-code>` },
  { path: "/invite", section: "", audience: "anybody", load: () => import("./views/invite/invite"), render: () => html`<cl-invite></cl-invite>` },
  { path: "/", section: "overview", load: () => import("./views/overview/overview"), render: () => html`<cl-overview></cl-overview>` },
  { path: "/clusters", section: "clusters", load: () => import("./views/clusters/cluster-list"), render: () => html`<cl-cluster-list></cl-cluster-list>` },
  {
    path: "/clusters/:id",
   
    section: "clusters",
    load: () => import("./views/clusters/cluster-page"),
    render: ({ id }) => html`<cl-cluster-page .clusterId=${id}></cl-cluster-page>`,
  },
  {
    path: "/workloads",
   
    section: "workloads",
    load: () => import("./views/workloads/workload-list"),
    render: (_, query) => html`<cl-workload-list .clusterId=${query.get("cluster") ?? ""} .only=${query.get("only") ?? ""}></cl-workload-list>`,
  },
  {
    path: "/workloads/new",
   
    section: "workloads",
    load: () => import("./views/workloads/workload-editor"),
    render: (_, query) => html`<cl-workload-editor .clusterId=${query.get("cluster") ?? ""}></cl-workload-editor>`,
  },
  {
    path: "/workloads/:id",
   
    section: "workloads",
    load: () => import("./views/workloads/workload-page"),
    render: ({ id }) => html`<cl-workload-page .workloadId=${id}></cl-workload-page>`,
  },
  {
    path: "/workloads/:id/edit",
   
    section: "workloads",
    load: () => import("./views/workloads/workload-editor"),
    render: ({ id }) => html`<cl-workload-editor .workloadId=${id}></cl-workload-editor>`,
  },
  {
    path: "/deployments",
   
    section: "deployments",
    load: () => import("./views/deployments/deployment-list"),
    render: (_, query) => html`<cl-deployment-list .only=${query.get("only") ?? ""}></cl-deployment-list>`,
  },
  { path: "/images", section: "images", load: () => import("./views/images/image-list"), render: () => html`<cl-image-list></cl-image-list>` },
  {
    path: "/images/:id",
   
    section: "images",
    load: () => import("./views/images/image-page"),
    render: ({ id }) => html`<cl-image-page .imageId=${id}></cl-image-page>`,
  },
  {
    path: "/images/:id/versions/:reference",
    section: "images",
    load: () => import("./views/images/version-page"),
    render: ({ id, reference }) => html`<cl-version-page .imageId=${id} .reference=${reference}></cl-version-page>`,
  },
  {
    path: "/external-registries",
    section: "external-registries",
    load: () => import("./views/external-registries/external-registry-list"),
    render: () => html`<cl-external-registry-list></cl-external-registry-list>`,
  },
  { path: "/registry", section: "registry", load: () => import("./views/registry/registry-page"), render: () => html`<cl-registry-page></cl-registry-page>` },
  { path: "/webhooks", section: "webhooks", load: () => import("./views/webhooks/webhook-list"), render: () => html`<cl-webhook-list></cl-webhook-list>` },
  {
    path: "/webhooks/:id",
    section: "webhooks",
    load: () => import("./views/webhooks/webhook-page"),
    render: ({ id }) => html`<cl-webhook-page .webhookId=${id}></cl-webhook-page>`,
  },
  { path: "/sso", section: "sso", load: () => import("./views/sso/provider-list"), render: () => html`<cl-oidc-provider-list></cl-oidc-provider-list>` },
  { path: "/users", section: "users", load: () => import("./views/users/user-list"), render: () => html`<cl-user-list></cl-user-list>` },
  { path: "/tokens", section: "tokens", load: () => import("./views/tokens/token-list"), render: () => html`<cl-token-list></cl-token-list>` },
  { path: "/settings", section: "settings", load: () => import("./views/settings/setting-list"), render: () => html`<cl-setting-list></cl-setting-list>` },
  { path: "/keys", section: "keys", load: () => import("./views/keys/key-page"), render: () => html`<cl-key-page></cl-key-page>` },
  { path: "/audit", section: "audit", load: () => import("./views/audit/audit-log"), render: (_, query) => html`<cl-audit-log .query=${query}></cl-audit-log>` },
];

/** For an address that is no page. */
export const nowhere: Route = { path: "", section: "", load: () => import("./views/not-found"), render: () => html`<cl-not-found></cl-not-found>` };
