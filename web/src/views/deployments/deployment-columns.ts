// What lists of deployments show: the row, and below it why it failed and its last lines.
import { html, nothing, type TemplateResult } from "lit";

import type { Deployment } from "../../api/records";
import type { Column } from "../../elements/data-table";
import { deploymentStanding } from "../../state/standing";
import { reasonWords, sentence, shortDigest } from "../../text/format";

export interface Names {
  workload?: (id: string) => string;
  cluster?: (id: string) => string;
  node: (id: string) => string;
}

export function deploymentColumns(names: Names): readonly Column<Deployment>[] {
  const { workload, cluster } = names;
  return [
    { key: "name", title: "Deployment", width: "minmax(120px, 1.2fr)", sort: ({ name }) => name, render: ({ name, workloadId }) => (workload ? html`<a class="name" href="/workloads/${workloadId}">${name}</a>` : html`<strong class="name">${name}</strong>`) },
    { key: "state", title: "State", width: "124px", sort: (deployment) => deploymentStanding(deployment).label, render: (deployment) => html`<cl-status .standing=${deploymentStanding(deployment)}></cl-status>` },
    ...(cluster ? [{ key: "cluster", title: "Cluster", width: "minmax(80px, 0.8fr)", hideBelow: 780, sort: ({ clusterId }: Deployment) => cluster(clusterId), render: ({ clusterId }: Deployment) => html`<a href="/clusters/${clusterId}">${cluster(clusterId)}</a>` }] : []),
    { key: "node", title: "Node", width: "minmax(80px, 0.9fr)", hideBelow: 560, sort: ({ nodeId }) => names.node(nodeId ?? ""), render: ({ nodeId }) => html`<span class="cut" title=${nodeId ?? ""}>${names.node(nodeId ?? "")}</span>` },
    { key: "why", title: "Reason", width: "minmax(140px, 2fr)", hideBelow: 700, sort: ({ reason }) => reason ?? "", render: renderReason },
    { key: "digest", title: "Digest", width: "112px", hideBelow: 980, render: ({ imageDigest }) => html`<span class="mono muted" title=${imageDigest ?? ""}>${shortDigest(imageDigest)}</span>` },
    { key: "since", title: "Started", width: "92px", align: "end", hideBelow: 480, sort: ({ startTime, createTime }) => startTime ?? createTime ?? "", render: ({ startTime, createTime }) => html`<cl-time class="muted" .at=${startTime ?? createTime}></cl-time>` },
  ];
}

/** The last lines of one that has some; also the facts that do not fit the row. */
export function deploymentDetail(deployment: Deployment): TemplateResult {
  const lines = deployment.logTail ?? [];
  return html`<div class="stack">
    ${deployment.message ? html`<p>${sentence(deployment.message)}</p>` : nothing}
    ${lines.length > 0 ? html`<pre tabindex="0" role="region" aria-label=${`Last lines of ${deployment.name}`}>${lines.join("\n")}</pre>` : html`<p class="muted">No log lines were kept; the agent sends the last ones of a deployment that failed.</p>`}
    <dl class="facts small">
      ${deployment.image ? html`<dt>Image</dt><dd class="mono">${deployment.image}</dd>` : nothing}
      ${deployment.containerId ? html`<dt>Container</dt><dd class="mono">${deployment.containerId}</dd>` : nothing}
      ${deployment.workloadGeneration ? html`<dt>Generation</dt><dd class="number">${deployment.workloadGeneration}</dd>` : nothing}
    </dl>
  </div>`;
}

function renderReason({ reason, message }: Deployment): unknown {
  if (!reason && !message) return nothing;
  return html`<span class="clamp muted">${reason ? html`<strong>${reasonWords(reason)}</strong>${message ? ": " : ""}` : nothing}${message ?? ""}</span>`;
}
