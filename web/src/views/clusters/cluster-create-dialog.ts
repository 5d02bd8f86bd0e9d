// Creates a cluster: a name, then the jump code, then the wait for its agent. Knows no backend; gets callbacks.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { Cluster, CreatedCluster } from "../../api/records";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import "../../elements/status-pill";
import { clusterStanding } from "../../state/standing";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import "./jump-code";

@customElement("cl-cluster-create-dialog")
export class ClusterCreateDialog extends LitElement {
  /** Makes the cluster; the key makes a repeated attempt the same one. */
  @property({ attribute: false }) create!: (name: string, key: string) => Promise<CreatedCluster>;
  /** The cluster as it is now. */
  @property({ attribute: false }) look!: (id: string) => Cluster | undefined;
  @state() private open = false;
  @state() private name = "";
  private readonly sending = new Submission(this);
  @state() private made: CreatedCluster | undefined;
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      form,
      .made {
        display: grid;
        gap: var(--gap-4);
      }
      .state {
        display: flex;
        align-items: center;
        gap: var(--gap-3);
        padding-top: var(--gap-3);
        border-top: 1px solid var(--line);
      }
    `,
  ];

  show(): void {
    this.name = "";
    this.sending.begin();
    this.made = undefined;
    this.open = true;
  }

  override render(): TemplateResult {
    return html`<cl-dialog
      heading=${this.made ? `Cluster ${this.made.cluster.name} is made` : "New cluster"}
      width="640px"
      ?open=${this.open}
      ?locked=${this.sending.busy}
      @opened=${() => this.field?.focus()}
      @closed=${() => (this.open = false)}
    >
      ${this.made ? this.renderMade(this.made) : this.renderForm()}
    </cl-dialog>`;
  }

  private renderForm(): TemplateResult {
    return html`<form @submit=${this.submit}>
        <cl-field
          label="Name"
          required
          hint="Lowercase letters, digits and dashes, such as “berlin-edge”."
          .value=${this.name}
          violation=${this.sending.wrong("name")}
          @changed=${(event: CustomEvent<string>) => (this.name = event.detail)}
        ></cl-field>
        <cl-problem .error=${this.sending.elsewhere(["name"])}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Creating…" : "Create cluster"}</button>`;
  }

  private renderMade(made: CreatedCluster): TemplateResult {
    const now = this.look(made.cluster.id) ?? made.cluster;
    const online = now.agentState === "AGENT_STATE_ONLINE";
    return html`<div class="made">
        ${made.jumpCode
          ? html`<cl-jump-code code=${made.jumpCode}></cl-jump-code>`
          : html`<p>The cluster was made by an earlier attempt of this request, and its jump code was shown then. Rotate it on the cluster's page to get another.</p>`}
        <p class="state" role="status">
          <cl-status .standing=${online ? clusterStanding(now) : { tone: "busy", label: "Waiting for the agent" }}></cl-status>
          <span class="muted">${online ? "The agent is connected. The cluster is ready for workloads." : "This turns to online by itself; you can also close this."}</span>
        </p>
      </div>
      <button slot="footer" type="button" @click=${() => (this.open = false)}>Close</button>
      <a slot="footer" class="button primary" href="/clusters/${made.cluster.id}" @click=${() => (this.open = false)}>Open the cluster</a>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const name = this.name.trim();
    await this.sending.send(async (key) => void (this.made = await this.create(name, key)), name);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-cluster-create-dialog": ClusterCreateDialog;
  }
}
