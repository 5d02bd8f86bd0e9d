// What lists of workloads show.
import { html, nothing, type TemplateResult } from "lit";

import type { Workload } from "../../api/records";
import type { Column } from "../../elements/data-table";
import { ready, readyCondition, wished, workloadStanding } from "../../state/standing";
import { sentence, shortDigest } from "../../text/format";

/** The columns; with the cluster's only where the list spans clusters. */
export function workloadColumns(clusterName: ((id: string) => string) | undefined): readonly Column<Workload>[] {
  return [
    { key: "name", title: "Name", width: "minmax(110px, 1.4fr)", sort: ({ name }) => name, render: ({ name }) => name },
    ...(clusterName
      ? [
          {
            key: "cluster",
            title: "Cluster",
            width: "minmax(90px, 1fr)",
            hideBelow: 640,
            sort: ({ clusterId }: Workload) => clusterName(clusterId),
            render: ({ clusterId }: Workload) => html`<a href="/clusters/${clusterId}">${clusterName(clusterId)}</a>`,
          },
        ]
      : []),
    {
      key: "state",
      title: "State",
      width: "158px",
      sort: (workload) => workloadStanding(workload).label,
      render: (workload) => html`<cl-status .standing=${workloadStanding(workload)}></cl-status>`,
    },
    { key: "replicas", title: "Replicas", width: "66px", align: "end", hideBelow: 420, sort: ready, render: renderReplicas },
    { key: "image", title: "Image", width: "minmax(164px, 1.2fr)", hideBelow: 760, render: renderImage },
    { key: "why", title: "Message", width: "minmax(140px, 2fr)", hideBelow: 900, render: (workload) => html`<span class="clamp muted">${whyNot(workload)}</span>` },
  ];
}

export function workloadText(clusterName: ((id: string) => string) | undefined): (workload: Workload) => string {
  return (workload) =>
    [workload.name, workload.id, clusterName?.(workload.clusterId), workloadStanding(workload).label, workload.image, workload.imageTag, workload.description].join(" ");
}

/** "2 / 3" as words for those who hear it. */
export function renderReplicas(workload: Workload): TemplateResult {
  return html`<span class="number"><span aria-hidden="true">${ready(workload)} / ${wished(workload)}</span><span class="visually-hidden">${ready(workload)} of ${wished(workload)} ready</span></span>`;
}

function renderImage(workload: Workload): unknown {
  if (workload.image) return html`<span class="mono cut" title=${workload.image}>${workload.image}</span>`;
  if (!workload.imageDigest) return html`<span class="muted">awaited</span>`;
  return html`<span class="mono cut" title=${workload.imageDigest}>${workload.imageTag ? `${workload.imageTag} ` : nothing}<span class="muted">${shortDigest(workload.imageDigest)}</span></span>`;
}

/** Why it does not run as wished; "" when it does. */
function whyNot(workload: Workload): string {
  const { tone } = workloadStanding(workload);
  return tone === "ok" || tone === "idle" ? "" : sentence(readyCondition(workload)?.message ?? workload.status?.message ?? "");
}
