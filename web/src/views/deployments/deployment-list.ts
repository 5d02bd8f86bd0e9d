// All deployments, live; the last lines of each open below it.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { listNodes } from "../../api/clusters";
import type { Deployment } from "../../api/records";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/form-field";
import "../../elements/page";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toastError } from "../../elements/toasts";
import "../../elements/watch-state";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { deploymentStanding } from "../../state/standing";
import { client, clusters, deployments, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { deploymentColumns, deploymentDetail } from "./deployment-columns";

const ONLY = [
  { value: "", label: "Any state" },
  { value: "running", label: "Running" },
  { value: "failed", label: "Failed or unhealthy" },
  { value: "changing", label: "Changing" },
];
const TONE_OF: Record<string, string> = { running: "ok", failed: "bad", changing: "busy" };

@customElement("cl-deployment-list")
export class DeploymentList extends LitElement {
  @property() only = "";
  @state() private nodeNames: ReadonlyMap<string, string> = new Map();
  protected readonly watching = new Watching(this, [clusters, workloads, deployments]);

  static override styles = [
    shared,
    css`
      cl-field {
        min-width: 150px;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.readNodeNames();
  }

  override render(): TemplateResult {
    const all = deployments.all();
    const tone = TONE_OF[this.only];
    const rows = tone ? all.filter((deployment) => deploymentStanding(deployment).tone === tone) : all;
    const workload = (id: string): string => workloads.get(id)?.name ?? id;
    const cluster = (id: string): string => clusters.get(id)?.name ?? id;
    const node = (id: string): string => this.nodeNames.get(id) ?? id;
    return html`<cl-page heading="Deployments">
      <cl-watch-state slot="actions" .collections=${[deployments]}></cl-watch-state>
      <div class="panel">
        ${all.length === 0
          ? deployments.whole
            ? html`<cl-empty symbol="deployment" heading="Nothing has been deployed yet">
                <p>A deployment is one running instance of a workload on a node. They appear here as the clusters' agents start them: create a workload and push an image to its registry target.</p>
                <a class="button" href="/workloads">Go to the workloads</a>
              </cl-empty>`
            : html`<cl-empty symbol="wait" heading="Reading deployments…"></cl-empty>`
          : html`<cl-table
              label="Deployments"
              noun="deployment"
              .columns=${deploymentColumns({ workload, cluster, node })}
              .rows=${rows}
              .order=${{ key: "since", descending: true }}
              .detail=${deploymentDetail}
              .text=${(one: Deployment) => [one.name, workload(one.workloadId), cluster(one.clusterId), node(one.nodeId ?? ""), deploymentStanding(one).label, one.reason, one.message, one.imageDigest].join(" ")}
            ><cl-field slot="tools" bare label="State" type="select" .choices=${ONLY} .value=${this.only} @changed=${this.filter}></cl-field></cl-table>`}
      </div>
    </cl-page>`;
  }

  private filter(event: CustomEvent<string>): void {
    navigate(`/deployments${event.detail === "" ? "" : `?only=${event.detail}`}`, "replace");
  }

  private async readNodeNames(): Promise<void> {
    try {
      this.nodeNames = new Map((await listNodes(client, "")).map(({ id, name }) => [id, name]));
    } catch (error) {
      // The ids are shown instead.
      toastError(error);
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-deployment-list": DeploymentList;
  }
}
