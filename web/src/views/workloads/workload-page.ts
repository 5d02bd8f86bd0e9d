// One workload: whether it runs as wished and why not, its replicas, how to push to it, its versions.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { listNodes } from "../../api/clusters";
import { announceImage } from "../../api/images";
import type { Deployment, Workload } from "../../api/records";
import { deleteWorkload, updateWorkload } from "../../api/workloads";
import "../../elements/condition-list";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
import "../../elements/data-table";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { ready, readyCondition, wished, workloadStanding } from "../../state/standing";
import { client, clusters, deployments, images, permissions, workloads } from "../../state/world";
import { columns } from "../../styles/columns";
import { shared } from "../../styles/shared";
import { tabs } from "../../styles/tabs";
import { count, sentence, shortDigest } from "../../text/format";
import { deploymentColumns, deploymentDetail } from "../deployments/deployment-columns";
import type { AnnounceDialog } from "../images/announce-dialog";
import "../images/announce-dialog";
import "./held-push";
import "./push-steps";
import "./scale-control";
import "./workload-settings";
import "./workload-versions";

@customElement("cl-workload-page")
export class WorkloadPage extends LitElement {
  @property({ attribute: false }) workloadId = "";
  @state() private scaling = false;
  @state() private nodeNames: ReadonlyMap<string, string> = new Map();
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-announce-dialog") private announcing!: AnnounceDialog;
  protected readonly watching = new Watching(this, [clusters, workloads, deployments, images]);
  private nodesOf = "";

  static override styles = [
    shared,
    columns,
    tabs,
    css`
      .hero {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr) max-content;
        gap: var(--gap-4) var(--gap-6);
        align-items: center;
        padding: var(--gap-4) var(--gap-5);
        border-inline-start: 4px solid var(--edge, var(--line-strong));
      }
      .hero.ok {
        --edge: var(--ok);
      }
      .hero.busy {
        --edge: var(--busy);
      }
      .hero.wait,
      .hero.warn {
        --edge: var(--warn);
      }
      .hero.bad {
        --edge: var(--bad);
      }
      .figure {
        font-size: 2rem;
        font-weight: 620;
        line-height: 1.1;
        letter-spacing: -0.02em;
      }
      .figure small {
        font-size: var(--size-large);
        font-weight: 450;
        color: var(--text-muted);
      }
      .why {
        display: grid;
        gap: 2px;
        min-width: 0;
        overflow-wrap: anywhere;
      }
      .why strong {
        font-size: var(--size-large);
      }
      .inside {
        padding: var(--gap-4);
      }
      @media (max-width: 720px) {
        .hero {
          grid-template-columns: minmax(0, 1fr);
        }
      }
    `,
  ];

  override render(): TemplateResult {
    const workload = workloads.get(this.workloadId);
    const crumbs = [{ label: "Workloads", href: "/workloads" }];
    if (!workload) {
      return html`<cl-page heading=${workloads.whole ? "No such workload" : "Workload"} .crumbs=${crumbs}>
        <div class="panel">
          ${workloads.whole
            ? html`<cl-empty symbol="workload" heading="This workload does not exist (any more)"><a class="button" href="/workloads">See all workloads</a></cl-empty>`
            : html`<cl-empty symbol="wait" heading="Reading the workload…"></cl-empty>`}
        </div>
      </cl-page>`;
    }
    return html`<cl-page heading=${workload.name} .crumbs=${crumbs}>
        <cl-status slot="status" .standing=${workloadStanding(workload)}></cl-status>
        ${permissions.allows("workloads.write") ? this.renderActions(workload) : nothing}
        <div class="stack">
          ${this.renderHero(workload)}
          ${workload.heldImage ? html`<cl-held-push .workload=${workload} .imageId=${images.all().find(({ workloadId }) => workloadId === workload.id)?.id ?? ""}></cl-held-push>` : nothing}
          <div class="columns">
            <div class="panel">${this.renderTabs(workload)}</div>
            <section class="panel" aria-labelledby="facts">
              <header><h2 id="facts">Facts</h2></header>
              <div class="body">${renderFacts(workload)}</div>
            </section>
          </div>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-announce-dialog .announce=${(image: string) => announceImage(client, image)}></cl-announce-dialog>`;
  }

  protected override updated(): void {
    const clusterId = workloads.get(this.workloadId)?.clusterId ?? "";
    if (clusterId !== "" && clusterId !== this.nodesOf) void this.readNodeNames(clusterId);
  }

  private renderActions(workload: Workload): TemplateResult {
    return html`${workload.image ? html`<button slot="actions" type="button" @click=${() => this.announcing.show(withoutDigest(workload.image ?? ""))}>${icon("send")} Announce</button>` : nothing}
      <button slot="actions" type="button" @click=${() => this.askToDelete(workload)}>${icon("trash")} Delete</button>
      <a slot="actions" class="button primary" href="/workloads/${workload.id}/edit">${icon("edit")} Edit</a>`;
  }

  /** The first thing to see: does it run, and if not, why not and what to do. */
  private renderHero(workload: Workload): TemplateResult {
    const standing = workloadStanding(workload);
    const isReady = readyCondition(workload);
    const global = workload.mode === "WORKLOAD_MODE_GLOBAL";
    const good = standing.tone === "ok" || standing.tone === "idle";
    return html`<section class="panel hero ${standing.tone}" aria-label="Status">
      <div>
        <div class="figure number">${ready(workload)}<small> of ${wished(workload)}</small></div>
        <span class="muted small">${wished(workload) === 1 ? "replica" : "replicas"} ready</span>
      </div>
      <div class="why" role="status">
        <strong>${good ? (standing.tone === "idle" ? "Scaled to nothing, as wished" : "Runs as wished") : standing.label}</strong>
        ${good ? nothing : html`<span>${sentence(isReady?.message ?? workload.status?.message ?? "The agent has not reported yet.")}</span>`}
        ${isReady?.lastTransitionTime ? html`<span class="muted small">since <cl-time .at=${isReady.lastTransitionTime}></cl-time></span>` : nothing}
      </div>
      ${global
        ? html`<span class="muted">One on every node</span>`
        : !permissions.allows("workloads.write")
          ? nothing
          : html`<cl-scale .replicas=${workload.replicas ?? 1} ?busy=${this.scaling} @scale=${(event: CustomEvent<number>) => this.scale(workload, event.detail)}></cl-scale>`}
    </section>`;
  }

  private renderTabs(workload: Workload): TemplateResult {
    const mine = deployments.all().filter(({ workloadId }) => workloadId === workload.id);
    const first = workload.image || mine.length > 0 ? "deployments" : "push";
    return html`<wa-tab-group active=${first}>
      <wa-tab panel="deployments">Deployments${mine.length > 0 ? ` (${mine.length})` : ""}</wa-tab>
      ${workload.image ? nothing : html`<wa-tab panel="push">Push</wa-tab>`}
      <wa-tab panel="versions">Versions</wa-tab>
      <wa-tab panel="settings">Settings</wa-tab>
      <wa-tab panel="conditions">Conditions</wa-tab>
      <wa-tab-panel name="deployments">${this.renderDeployments(mine, workload)}</wa-tab-panel>
      ${workload.image ? nothing : html`<wa-tab-panel name="push"><div class="inside"><cl-push-steps .workload=${workload}></cl-push-steps></div></wa-tab-panel>`}
      <wa-tab-panel name="versions"><cl-workload-versions .workload=${workload}></cl-workload-versions></wa-tab-panel>
      <wa-tab-panel name="settings"><div class="inside"><cl-workload-settings .workload=${workload}></cl-workload-settings></div></wa-tab-panel>
      <wa-tab-panel name="conditions"><div class="inside"><cl-conditions .conditions=${workload.status?.conditions ?? []}></cl-conditions></div></wa-tab-panel>
    </wa-tab-group>`;
  }

  private renderDeployments(mine: readonly Deployment[], workload: Workload): TemplateResult {
    if (mine.length === 0) {
      return html`<cl-empty symbol="deployment" heading="Nothing runs yet">
        ${workload.image || workload.imageDigest ? "The agent starts it as soon as it is connected; its replicas appear here." : "Push an image to the registry target (under Push); its replicas appear here."}
      </cl-empty>`;
    }
    return html`<cl-table
      label="Deployments of ${workload.name}"
      noun="deployment"
      .columns=${deploymentColumns({ node: (id) => this.nodeNames.get(id) ?? id })}
      .rows=${mine}
      .order=${{ key: "since", descending: true }}
      .detail=${deploymentDetail}
    ></cl-table>`;
  }

  private async scale(workload: Workload, replicas: number): Promise<void> {
    if (replicas === 0) {
      await this.confirm.ask({
        heading: `Scale ${workload.name} to nothing?`,
        text: "The workload stays, but nothing of it runs and its domains answer nobody until it is scaled up again.",
        dies: [`${count(ready(workload), "running replica")} of ${workload.name}`, ...domainsOf(workload)],
        verb: "Scale to 0",
        act: async () => workloads.put(await updateWorkload(client, workload.id, { replicas: 0 })),
      });
      return;
    }
    this.scaling = true;
    try {
      workloads.put(await updateWorkload(client, workload.id, { replicas }));
      toast(`${workload.name} is being scaled to ${replicas}.`);
    } catch (error) {
      toastError(error);
    } finally {
      this.scaling = false;
    }
  }

  private async askToDelete(workload: Workload): Promise<void> {
    const done = await this.confirm.ask({
      heading: `Delete workload ${workload.name}?`,
      text: "The agent stops and removes what runs. The pushed images stay in the registry until they are cleaned up.",
      dies: [`${count(ready(workload), "running replica")} of ${workload.name}`, ...domainsOf(workload), "Its settings, versions and registry target"],
      verb: "Delete workload",
      typed: workload.name,
      act: async () => {
        await deleteWorkload(client, workload);
      },
    });
    if (!done) return;
    toast(`Workload ${workload.name} was deleted.`);
    navigate("/workloads");
  }

  private async readNodeNames(clusterId: string): Promise<void> {
    this.nodesOf = clusterId;
    try {
      this.nodeNames = new Map((await listNodes(client, clusterId)).map(({ id, name }) => [id, name]));
    } catch (error) {
      // The ids are shown instead.
      toastError(error);
    }
  }
}

/** The reference with its tag, as an announcement names it. */
function withoutDigest(image: string): string {
  return image.replace(/@.*$/, "");
}

function domainsOf(workload: Workload): string[] {
  const names = (workload.domains ?? []).map(({ name }) => name);
  return names.length === 0 ? [] : [`What answers at ${names.join(", ")}`];
}

function renderFacts(workload: Workload): TemplateResult {
  const cluster = clusters.get(workload.clusterId);
  const digest = workload.imageDigest ?? "";
  const running = workload.status?.runningDigest ?? "";
  return html`<dl class="facts">
    <dt>Cluster</dt>
    <dd><a href="/clusters/${workload.clusterId}">${cluster?.name ?? workload.clusterId}</a></dd>
    <dt>Id</dt>
    <dd><cl-copy inline label="workload id" value=${workload.id}></cl-copy></dd>
    ${workload.description ? html`<dt>Description</dt><dd>${workload.description}</dd>` : nothing}
    <dt>Image</dt>
    <dd>${workload.image ? html`<span class="mono">${workload.image}</span>` : digest === "" ? "awaited: nothing was pushed yet" : html`<span class="mono">${workload.imageTag ?? ""}</span>`}</dd>
    ${digest === "" ? nothing : html`<dt>Digest</dt><dd><cl-copy inline label="digest" value=${digest} display=${shortDigest(digest)}></cl-copy></dd>`}
    ${running !== "" && running !== digest && digest !== "" ? html`<dt>Still runs</dt><dd class="mono">${shortDigest(running)}</dd>` : nothing}
    ${(workload.domains ?? []).length > 0
      ? html`<dt>Domains</dt><dd>${(workload.domains ?? []).map(({ name, protocol }) => html`<div><a href="${protocol === "https" ? "https" : "http"}://${name}/" target="_blank" rel="noreferrer">${name}</a></div>`)}</dd>`
      : nothing}
    <dt>Generation</dt>
    <dd class="number">${workload.generation ?? "0"}${Number(workload.status?.observedGeneration ?? 0) < Number(workload.generation ?? 0) ? `, seen ${workload.status?.observedGeneration ?? 0}` : ", seen by the agent"}</dd>
    <dt>Changed</dt>
    <dd><cl-time .at=${workload.updateTime}></cl-time></dd>
  </dl>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-workload-page": WorkloadPage;
  }
}
