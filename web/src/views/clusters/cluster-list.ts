// All clusters, live.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import { createCluster } from "../../api/clusters";
import type { Cluster } from "../../api/records";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/relative-time";
import "../../elements/status-pill";
import "../../elements/watch-state";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { behind, clusterStanding } from "../../state/standing";
import { client, clusters, permissions, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { count } from "../../text/format";
import type { ClusterCreateDialog } from "./cluster-create-dialog";
import "./cluster-create-dialog";

const COLUMNS: readonly Column<Cluster>[] = [
  { key: "name", title: "Name", width: "minmax(110px, 2fr)", sort: ({ name }) => name, render: ({ name }) => name },
  {
    key: "state",
    title: "State",
    width: "156px",
    sort: (cluster) => clusterStanding(cluster).label,
    render: (cluster) => html`<cl-status .standing=${clusterStanding(cluster)}></cl-status>`,
  },
  { key: "since", title: "Since", width: "100px", hideBelow: 620, sort: ({ agentStateTime }) => agentStateTime ?? "", render: (cluster) => html`<cl-time class="muted" .at=${cluster.agentStateTime ?? cluster.createTime}></cl-time>` },
  { key: "configuration", title: "Configuration", width: "minmax(120px, 1fr)", hideBelow: 760, sort: behind, render: (cluster) => renderRevision(cluster) },
  { key: "nodes", title: "Nodes", width: "56px", align: "end", hideBelow: 520, sort: ({ nodeCount }) => nodeCount ?? 0, render: ({ nodeCount }) => html`<span class="number">${nodeCount ?? 0}</span>` },
  { key: "workloads", title: "Workloads", width: "80px", align: "end", hideBelow: 420, sort: workloadsOf, render: (cluster) => html`<span class="number">${workloads.whole ? workloadsOf(cluster) : "–"}</span>` },
  { key: "agent", title: "Agent", width: "90px", hideBelow: 860, render: ({ agentVersion }) => html`<span class="muted">${agentVersion ? agentVersion : "–"}</span>` },
];

@customElement("cl-cluster-list")
export class ClusterList extends LitElement {
  protected readonly watching = new Watching(this, [clusters, workloads]);
  @query("cl-cluster-create-dialog") private dialog!: ClusterCreateDialog;

  static override styles = shared;

  override render(): TemplateResult {
    const all = clusters.all();
    return html`<cl-page heading="Clusters">
        <cl-watch-state slot="actions" .collections=${[clusters]}></cl-watch-state>
        ${permissions.allows("clusters.write") ? html`<button slot="actions" type="button" class="primary" @click=${() => this.dialog.show()}>${icon("plus")} New cluster</button>` : nothing}
        <div class="panel">
          ${all.length === 0
            ? clusters.whole
              ? html`<cl-empty symbol="cluster" heading="No cluster yet">
                  <p>A cluster is one Docker Swarm, kept as wished by an agent that dials out to Cloudly. Create one and you get the jump code its agent logs in with.</p>
                  ${permissions.allows("clusters.write") ? html`<button type="button" class="primary" @click=${() => this.dialog.show()}>Create the first cluster</button>` : nothing}
                </cl-empty>`
              : html`<cl-empty symbol="wait" heading="Reading clusters…"></cl-empty>`
            : html`<cl-table
                label="Clusters"
                noun="cluster"
                .columns=${COLUMNS}
                .rows=${all}
                .order=${{ key: "name", descending: false }}
                .href=${({ id }: Cluster) => `/clusters/${id}`}
                .text=${(cluster: Cluster) => [cluster.name, cluster.id, clusterStanding(cluster).label, cluster.agentVersion].join(" ")}
              ></cl-table>`}
        </div>
      </cl-page>
      <cl-cluster-create-dialog
        .create=${async (name: string, key: string) => {
          const made = await createCluster(client, name, key);
          clusters.put(made.cluster);
          return made;
        }}
        .look=${(id: string) => clusters.get(id)}
      ></cl-cluster-create-dialog>`;
  }

  protected override firstUpdated(): void {
    if (!new URLSearchParams(location.search).has("create") || !permissions.allows("clusters.write")) return;
    navigate("/clusters", "replace");
    this.dialog.show();
  }

  protected override updated(): void {
    // The dialog shows the state of the cluster it has made.
    this.dialog.requestUpdate();
  }
}

/** Counted here, from what is watched anyway, so that it is as live as the rest. */
function workloadsOf(cluster: Cluster): number {
  return workloads.all().filter(({ clusterId }) => clusterId === cluster.id).length;
}

function renderRevision(cluster: Cluster): TemplateResult {
  const waiting = behind(cluster);
  if (clusterStanding(cluster).tone === "wait") return html`<span class="muted">–</span>`;
  if (waiting === 0) return html`<span class="muted number">applied (${cluster.revision})</span>`;
  return html`<span class="number">${count(waiting, "change")} waiting</span>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-cluster-list": ClusterList;
  }
}
