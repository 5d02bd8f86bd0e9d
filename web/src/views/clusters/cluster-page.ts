// One cluster: how it stands, its nodes, its workloads; its jump code and its end.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { deleteCluster, listNodes, rotateJumpCode, setSignaturePolicy } from "../../api/clusters";
import { asApiError, type ApiError } from "../../api/errors";
import type { Cluster, ClusterSignaturePolicy, Node, Workload } from "../../api/records";
import "../../elements/condition-list";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/dialog";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { behind, clusterStanding, nodeStanding } from "../../state/standing";
import { client, clusters, permissions, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, count, duration, enumWord } from "../../text/format";
import { workloadColumns, workloadText } from "../workloads/workload-columns";
import "./jump-code";
import type { SignatureDialog } from "./signature-dialog";
import "./signature-dialog";

const OVERLAP_SECONDS = 3600;
const NODES_AGAIN_MS = 15_000;

const NODE_COLUMNS: readonly Column<Node>[] = [
  { key: "name", title: "Node", width: "minmax(130px, 2fr)", sort: ({ name }) => name, render: ({ name }) => html`<strong class="name">${name}</strong>` },
  { key: "state", title: "State", width: "110px", sort: ({ state: word }) => word ?? "", render: (node) => html`<cl-status .standing=${nodeStanding(node)}></cl-status>` },
  { key: "role", title: "Role", width: "90px", sort: ({ role }) => role ?? "", render: ({ role }) => role ?? "" },
  { key: "address", title: "Address", width: "minmax(100px, 1fr)", hideBelow: 620, render: ({ address }) => html`<span class="mono">${address}</span>` },
  { key: "cpus", title: "Cores", width: "60px", align: "end", sort: ({ cpus }) => cpus ?? 0, render: ({ cpus }) => html`<span class="number">${cpus ?? "–"}</span>` },
  { key: "memory", title: "Memory", width: "80px", align: "end", sort: ({ memoryBytes }) => Number(memoryBytes ?? 0), render: ({ memoryBytes }) => html`<span class="number">${memoryBytes ? bytes(memoryBytes) : "–"}</span>` },
  { key: "engine", title: "Engine", width: "120px", hideBelow: 760, render: ({ engineVersion, architecture }) => html`<span class="muted">${[engineVersion, architecture].filter(Boolean).join(" · ")}</span>` },
];

@customElement("cl-cluster-page")
export class ClusterPage extends LitElement {
  @property({ attribute: false }) clusterId = "";
  @state() private nodes: Node[] | undefined;
  @state() private nodesError: ApiError | undefined;
  @state() private jumpCode = "";
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-signature-dialog") private signatures!: SignatureDialog;
  protected readonly watching = new Watching(this, [clusters, workloads]);
  private reading: AbortController | undefined;

  static override styles = [
    shared,
    css`
      .columns {
        display: grid;
        grid-template-columns: minmax(0, 3fr) minmax(0, 2fr);
        gap: var(--gap-4);
        align-items: start;
      }
      .gone {
        padding: var(--gap-5);
      }
      @media (max-width: 1000px) {
        .columns {
          grid-template-columns: minmax(0, 1fr);
        }
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.reading?.abort();
  }

  protected override willUpdate(changes: PropertyValues<this>): void {
    if (changes.has("clusterId")) {
      this.nodes = undefined;
      void this.readNodes();
    }
  }

  override render(): TemplateResult {
    const cluster = clusters.get(this.clusterId);
    const crumbs = [{ label: "Clusters", href: "/clusters" }];
    if (!cluster) {
      return html`<cl-page heading=${clusters.whole ? "No such cluster" : "Cluster"} .crumbs=${crumbs}>
        <div class="panel">
          ${clusters.whole
            ? html`<cl-empty symbol="cluster" heading="This cluster does not exist (any more)"><a class="button" href="/clusters">See all clusters</a></cl-empty>`
            : html`<cl-empty symbol="wait" heading="Reading the cluster…"></cl-empty>`}
        </div>
      </cl-page>`;
    }
    const awaited = clusterStanding(cluster).tone === "wait";
    return html`<cl-page heading=${cluster.name} .crumbs=${crumbs}>
        <cl-status slot="status" .standing=${clusterStanding(cluster)}></cl-status>
        ${permissions.allows("clusters.write")
          ? html`<button slot="actions" type="button" @click=${() => this.signatures.show(cluster)}>${icon("shield")} Signatures</button>
              <button slot="actions" type="button" @click=${() => this.rotate(cluster)}>${icon("key")} Rotate jump code</button>
              <button slot="actions" type="button" @click=${() => this.askToDelete(cluster)}>${icon("trash")} Delete</button>`
          : nothing}
        ${permissions.allows("workloads.write") ? html`<a slot="actions" class="button primary" href="/workloads/new?cluster=${cluster.id}">${icon("plus")} New workload</a>` : nothing}
        <div class="stack">
          ${awaited ? this.renderAwaited() : nothing}
          <div class="columns">
            <section class="panel" aria-labelledby="conditions">
              <header><h2 id="conditions">Conditions</h2></header>
              <div class="body"><cl-conditions .conditions=${cluster.conditions ?? []}></cl-conditions></div>
            </section>
            <section class="panel" aria-labelledby="facts">
              <header><h2 id="facts">Facts</h2></header>
              <div class="body">${renderFacts(cluster)}</div>
            </section>
          </div>
          ${awaited && !this.nodes?.length ? nothing : this.renderNodes()} ${this.renderWorkloads(cluster)}
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-signature-dialog
        .save=${async (before: Cluster, policy: ClusterSignaturePolicy) => {
          clusters.put(await setSignaturePolicy(client, before, policy));
          toast(`The signatures that ${before.name} demands are saved.`);
        }}
      ></cl-signature-dialog>
      <cl-dialog heading="New jump code" width="640px" ?open=${this.jumpCode !== ""} @closed=${() => (this.jumpCode = "")}>
        <cl-jump-code code=${this.jumpCode}></cl-jump-code>
        <button slot="footer" type="button" class="primary" @click=${() => (this.jumpCode = "")}>Done</button>
      </cl-dialog>`;
  }

  private renderAwaited(): TemplateResult {
    return html`<section class="panel">
      <cl-empty symbol="wait" heading="No agent has connected yet">
        <p>Start the agent on a Docker Swarm manager. The jump code was shown when the cluster was made; if it is lost, rotate it.</p>
        <cl-copy label="command" value=${`CLOUDLY_URL=${location.origin} JUMPCODE=… coreflow`}></cl-copy>
      </cl-empty>
    </section>`;
  }

  private renderNodes(): TemplateResult {
    return html`<section class="panel" aria-labelledby="nodes">
      <header><h2 id="nodes">Nodes</h2></header>
      <cl-problem .error=${this.nodesError}></cl-problem>
      ${this.nodes?.length
        ? html`<cl-table label="Nodes" noun="node" .columns=${NODE_COLUMNS} .rows=${this.nodes}></cl-table>`
        : html`<cl-empty symbol="cluster" heading=${this.nodes ? "No nodes reported" : "Reading nodes…"}>${this.nodes ? "The agent tells the Swarm's nodes as soon as it is connected." : nothing}</cl-empty>`}
    </section>`;
  }

  private renderWorkloads(cluster: Cluster): TemplateResult {
    const mine = workloads.all().filter(({ clusterId }) => clusterId === cluster.id);
    return html`<section class="panel" aria-labelledby="workloads">
      <header><h2 id="workloads">Workloads</h2></header>
      ${mine.length > 0
        ? html`<cl-table
            label="Workloads of ${cluster.name}"
            noun="workload"
            .columns=${workloadColumns(undefined)}
            .rows=${mine}
            .order=${{ key: "name", descending: false }}
            .href=${({ id }: Workload) => `/workloads/${id}`}
            .text=${workloadText(undefined)}
          ></cl-table>`
        : html`<cl-empty symbol="workload" heading=${workloads.whole ? "No workload here yet" : "Reading workloads…"}>
            ${workloads.whole
              ? html`<p>A workload says what should run here. It comes with a registry target; pushing an image to it is the deployment.</p>
                  ${permissions.allows("workloads.write") ? html`<a class="button primary" href="/workloads/new?cluster=${cluster.id}">Create a workload</a>` : nothing}`
              : nothing}
          </cl-empty>`}
    </section>`;
  }

  private async rotate(cluster: Cluster): Promise<void> {
    let code = "";
    const done = await this.confirm.ask({
      heading: `Rotate the jump code of ${cluster.name}?`,
      text: `You get a new code, shown once. The old one goes on working for ${duration(OVERLAP_SECONDS)}, so that the agent can be restarted with the new one in peace.`,
      dies: [`The present jump code, in ${duration(OVERLAP_SECONDS)}`],
      verb: "Rotate jump code",
      danger: false,
      act: async () => {
        code = (await rotateJumpCode(client, cluster.id, OVERLAP_SECONDS)).jumpCode;
      },
    });
    if (done) this.jumpCode = code;
  }

  private async askToDelete(cluster: Cluster): Promise<void> {
    const mine = workloads.all().filter(({ clusterId }) => clusterId === cluster.id);
    const done = await this.confirm.ask({
      heading: `Delete cluster ${cluster.name}?`,
      text: "Cloudly forgets the cluster and cuts its agent off. The containers that run there go on running, without anybody who keeps them.",
      dies: [
        `The cluster ${cluster.name} with its machine identity and every jump code`,
        ...(mine.length > 0 ? [`${count(mine.length, "workload")}: ${named(mine)}`] : []),
      ],
      verb: "Delete cluster",
      typed: cluster.name,
      act: async () => {
        await deleteCluster(client, cluster, mine.length > 0);
      },
    });
    if (!done) return;
    toast(`Cluster ${cluster.name} was deleted.`);
    navigate("/clusters");
  }

  /** Nodes have no watch: they are read again now and then while the page is shown. */
  private async readNodes(): Promise<void> {
    this.reading?.abort();
    const reading = new AbortController();
    this.reading = reading;
    const stopped = (): boolean => reading.signal.aborted;
    while (!stopped()) {
      try {
        if (!document.hidden || !this.nodes) this.nodes = await listNodes(client, this.clusterId, reading.signal);
        this.nodesError = undefined;
      } catch (error) {
        if (stopped()) return;
        this.nodesError = asApiError(error);
      }
      await new Promise((resolve) => setTimeout(resolve, NODES_AGAIN_MS));
    }
  }
}

function renderFacts(cluster: Cluster): TemplateResult {
  const waiting = behind(cluster);
  return html`<dl class="facts">
    <dt>Id</dt>
    <dd><cl-copy inline label="cluster id" value=${cluster.id}></cl-copy></dd>
    <dt>Agent</dt>
    <dd>${clusterStanding(cluster).tone === "wait" ? "never connected" : html`coreflow ${cluster.agentVersion ?? ""}, ${enumWord(cluster.agentState, "AGENT_STATE")} since <cl-time .at=${cluster.agentStateTime}></cl-time>`}</dd>
    <dt>Configuration</dt>
    <dd class="number">${waiting === 0 ? `revision ${cluster.revision ?? 0}, applied` : `revision ${cluster.revision ?? 0}, applied ${cluster.appliedRevision ?? 0} (${waiting} behind)`}</dd>
    <dt>Nodes</dt>
    <dd class="number">${cluster.nodeCount ?? 0}</dd>
    ${cluster.signaturePolicy?.required ? html`<dt>Signatures</dt><dd>demanded, by one of ${count((cluster.signaturePolicy.publicKeys ?? []).length, "key")}${(cluster.signaturePolicy.allowedImages ?? []).map((pattern) => html`<div class="muted">but not of <span class="mono">${pattern}</span></div>`)}</dd>` : nothing}
    <dt>Created</dt>
    <dd><cl-time .at=${cluster.createTime}></cl-time></dd>
  </dl>`;
}

/** Names in a sentence, the rest counted. */
function named(mine: readonly Workload[]): string {
  const names = mine.map(({ name }) => name).sort();
  return names.length <= 8 ? names.join(", ") : `${names.slice(0, 7).join(", ")} and ${names.length - 7} more`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-cluster-page": ClusterPage;
  }
}
