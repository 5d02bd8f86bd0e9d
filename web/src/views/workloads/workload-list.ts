// All workloads, or those of one cluster, live.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { Workload } from "../../api/records";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/status-pill";
import "../../elements/watch-state";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { workloadStanding } from "../../state/standing";
import { clusters, permissions, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { workloadColumns, workloadText } from "./workload-columns";

@customElement("cl-workload-list")
export class WorkloadList extends LitElement {
  /** Only of this cluster. */
  @property({ attribute: false }) clusterId = "";
  /** "attention": only those that are not as wished. */
  @property() only = "";
  protected readonly watching = new Watching(this, [clusters, workloads]);

  static override styles = [
    shared,
    css`
      cl-field {
        min-width: 150px;
      }
    `,
  ];

  override render(): TemplateResult {
    const all = workloads.all();
    const rows = all
      .filter(({ clusterId }) => this.clusterId === "" || clusterId === this.clusterId)
      .filter((workload) => this.only !== "attention" || !["ok", "idle"].includes(workloadStanding(workload).tone));
    const newHref = this.clusterId === "" ? "/workloads/new" : `/workloads/new?cluster=${this.clusterId}`;
    return html`<cl-page heading="Workloads">
      <cl-watch-state slot="actions" .collections=${[workloads]}></cl-watch-state>
      ${permissions.allows("workloads.write") ? html`<a slot="actions" class="button primary" href=${newHref}>${icon("plus")} New workload</a>` : nothing}
      <div class="panel">
        ${all.length === 0
          ? workloads.whole
            ? this.renderNone()
            : html`<cl-empty symbol="wait" heading="Reading workloads…"></cl-empty>`
          : html`<cl-table
              label="Workloads"
              noun="workload"
              .columns=${workloadColumns((id) => clusters.get(id)?.name ?? id)}
              .rows=${rows}
              .order=${{ key: "name", descending: false }}
              .href=${({ id }: Workload) => `/workloads/${id}`}
              .text=${workloadText((id) => clusters.get(id)?.name ?? id)}
            >${this.renderTools()}</cl-table>`}
      </div>
    </cl-page>`;
  }

  private renderTools(): TemplateResult {
    const names = clusters.all().sort((a, b) => a.name.localeCompare(b.name));
    return html`<cl-field
        slot="tools"
        bare
        label="Cluster"
        type="select"
        .choices=${[{ value: "", label: "All clusters" }, ...names.map(({ id, name }) => ({ value: id, label: name }))]}
        .value=${this.clusterId}
        @changed=${(event: CustomEvent<string>) => this.show(event.detail, this.only)}
      ></cl-field>
      <cl-field
        slot="tools"
        bare
        label="State"
        type="select"
        .choices=${[{ value: "", label: "Any state" }, { value: "attention", label: "Not as wished" }]}
        .value=${this.only}
        @changed=${(event: CustomEvent<string>) => this.show(this.clusterId, event.detail)}
      ></cl-field>`;
  }

  private renderNone(): TemplateResult {
    if (clusters.whole && clusters.items.size === 0) {
      return html`<cl-empty symbol="workload" heading="No workload yet">
        <p>A workload runs on a cluster, so the cluster comes first.</p>
        ${permissions.allows("clusters.write") ? html`<a class="button primary" href="/clusters?create">Create a cluster</a>` : nothing}
      </cl-empty>`;
    }
    return html`<cl-empty symbol="workload" heading="No workload yet">
      <p>A workload says what should run: an image, how many replicas, its domains. It comes with a registry target; pushing an image to it is the deployment.</p>
      ${permissions.allows("workloads.write") ? html`<a class="button primary" href="/workloads/new">Create the first workload</a>` : nothing}
    </cl-empty>`;
  }

  /** The filter is in the address, so that it can be shared and the way back leads to it. */
  private show(cluster: string, only: string): void {
    const query = new URLSearchParams(Object.entries({ cluster, only }).filter(([, value]) => value !== "")).toString();
    navigate(`/workloads${query === "" ? "" : `?${query}`}`, "replace");
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-workload-list": WorkloadList;
  }
}
