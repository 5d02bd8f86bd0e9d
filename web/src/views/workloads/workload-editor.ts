// Creates or changes a workload. A change sends only what was changed, with the etag of what the form was filled from.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { Workload } from "../../api/records";
import { createWorkload, getWorkload, updateWorkload } from "../../api/workloads";
import "../../elements/empty-state";
import "../../elements/page";
import "../../elements/problem-box";
import { toast } from "../../elements/toasts";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { Submission } from "../../state/submission";
import { client, clusters, permissions, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { changes, EMPTY, formOf, wishOf, type WorkloadForm } from "./workload-form";
import type { WorkloadFields } from "./workload-fields";
import "./workload-fields";

@customElement("cl-workload-editor")
export class WorkloadEditor extends LitElement {
  /** The workload to change; "" makes a new one. */
  @property({ attribute: false }) workloadId = "";
  /** Where a new one goes, if that is known. */
  @property({ attribute: false }) clusterId = "";
  @state() private form: WorkloadForm | undefined;
  @state() private loaded: Workload | undefined;
  private readonly sending = new Submission(this);
  @query("cl-workload-fields") private fields!: WorkloadFields | null;
  @query("cl-problem") private problem!: HTMLElement | null;
  protected readonly watching = new Watching(this, [clusters]);

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
        max-width: 860px;
      }
      .end {
        position: sticky;
        bottom: 0;
        display: flex;
        align-items: center;
        gap: var(--gap-2);
        margin-inline: -4px;
        padding: var(--gap-3) 4px;
        background: var(--bg);
        border-top: 1px solid var(--line);
      }
      .end .muted {
        margin-inline-end: auto;
      }
    `,
  ];

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("workloadId") && !changed.has("clusterId")) return;
    if (this.workloadId === "") this.form = { ...EMPTY, clusterId: this.clusterId };
    else void this.load();
  }

  override render(): TemplateResult {
    const changing = this.workloadId !== "";
    const back = changing ? `/workloads/${this.workloadId}` : "/workloads";
    const crumbs = [{ label: "Workloads", href: "/workloads" }, ...(this.loaded ? [{ label: this.loaded.name, href: back }] : [])];
    if (!permissions.allows("workloads.write")) {
      return html`<cl-page heading=${changing ? "Edit workload" : "New workload"} .crumbs=${crumbs}>
        <div class="panel"><cl-empty symbol="shield" heading="You may not change workloads"><p>An admin or an operator may.</p><a class="button" href=${back}>Back</a></cl-empty></div>
      </cl-page>`;
    }
    const clusterMissing = !changing && clusters.whole && clusters.items.size === 0;
    return html`<cl-page heading=${changing ? `Edit ${this.loaded?.name ?? "workload"}` : "New workload"} .crumbs=${crumbs}>
      ${clusterMissing
        ? html`<div class="panel"><cl-empty symbol="cluster" heading="A workload needs a cluster">
            <p>There is none yet. Create one first; its agent may connect later.</p>
            ${permissions.allows("clusters.write") ? html`<a class="button primary" href="/clusters?create">Create a cluster</a>` : nothing}
          </cl-empty></div>`
        : this.form
          ? html`<form novalidate @submit=${this.submit}>
              <cl-workload-fields
                .form=${this.form}
                ?changing=${changing}
                .clusters=${clusters.all()}
                .violations=${this.sending.violations}
                @form-changed=${(event: CustomEvent<WorkloadForm>) => (this.form = event.detail)}
              ></cl-workload-fields>
              <cl-problem .error=${this.sending.error}>
                ${this.sending.error?.stale ? html`<button type="button" class="compact" @click=${this.reload}>Load what it is now (drops your changes)</button>` : nothing}
              </cl-problem>
              <div class="end">
                <span class="muted small">${changing ? "Saving makes a new generation; the agent rolls it out." : "Next: push an image to its registry target."}</span>
                <a class="button" href=${back}>Cancel</a>
                <button type="submit" class="primary" ?disabled=${this.sending.busy}>${this.sending.busy ? "Saving…" : changing ? "Save" : "Create workload"}</button>
              </div>
            </form>`
          : html`<cl-problem .error=${this.sending.error}></cl-problem>`}
    </cl-page>`;
  }

  private async load(): Promise<void> {
    this.form = undefined;
    await this.sending.send(async () => {
      this.loaded = await getWorkload(client, this.workloadId);
      this.form = formOf(this.loaded);
    });
  }

  private readonly reload = (): void => void this.load();

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { form } = this;
    if (!form || this.sending.busy) return;
    const done = await this.sending.send(async (key) => {
      const saved = await this.save(form, key);
      if (!saved) return;
      workloads.put(saved);
      navigate(`/workloads/${saved.id}`);
    }, form);
    if (!done) await this.showFirstViolation();
  }

  private async save(form: WorkloadForm, key: string): Promise<Workload | undefined> {
    const wish = wishOf(form);
    if (!this.loaded) {
      const made = await createWorkload(client, wish, key);
      toast(`Workload ${made.name} was created.`);
      return made;
    }
    const changed = changes(wishOf(formOf(this.loaded)), wish);
    if (Object.keys(changed).length === 0) {
      toast("Nothing was changed.");
      return undefined;
    }
    const saved = await updateWorkload(client, this.loaded.id, changed, this.loaded.etag);
    toast(`Workload ${saved.name} was saved.`);
    return saved;
  }

  /** The eye and the focus go to what has to be corrected. */
  private async showFirstViolation(): Promise<void> {
    await this.updateComplete;
    await this.fields?.updateComplete;
    const refused = this.fields?.firstRefused;
    (refused ?? this.problem)?.scrollIntoView({ block: "center" });
    refused?.focus();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-workload-editor": WorkloadEditor;
  }
}
