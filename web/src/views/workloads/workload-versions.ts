// The versions a workload has had, and the way back to one.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import type { Workload, WorkloadVersion } from "../../api/records";
import { listVersions, rollbackWorkload } from "../../api/workloads";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import "../../elements/relative-time";
import { toast } from "../../elements/toasts";
import { client, permissions, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { shortDigest } from "../../text/format";

type VersionRow = WorkloadVersion & { id: string };

@customElement("cl-workload-versions")
export class WorkloadVersions extends LitElement {
  @property({ attribute: false }) workload!: Workload;
  @state() private versions: VersionRow[] | undefined;
  @state() private error: ApiError | undefined;
  @query("cl-confirm") private confirm!: ConfirmDialog;
  private readOf = "";
  private reading: AbortController | undefined;

  static override styles = [
    shared,
    css`
      .body {
        padding: var(--gap-4);
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.reading?.abort();
    this.readOf = "";
  }

  protected override willUpdate(changes: PropertyValues<this>): void {
    // A new generation is a new version.
    const wanted = `${this.workload.id} ${this.workload.generation ?? ""}`;
    if (changes.has("workload") && wanted !== this.readOf) {
      this.readOf = wanted;
      void this.read();
    }
  }

  override render(): TemplateResult {
    if (this.error) return html`<div class="body"><cl-problem .error=${this.error}></cl-problem></div>`;
    if (!this.versions?.length) return html`<cl-empty symbol="rollback" heading=${this.versions ? "No versions yet" : "Reading versions…"}></cl-empty>`;
    return html`<cl-table label="Versions" noun="version" .columns=${this.columns()} .rows=${this.versions}></cl-table><cl-confirm></cl-confirm>`;
  }

  private columns(): readonly Column<VersionRow>[] {
    const current = this.workload.generation;
    return [
      { key: "generation", title: "Version", width: "84px", render: ({ generation }) => html`<span class="number">${generation}</span>${generation === current ? html` <strong class="small">now</strong>` : nothing}` },
      { key: "cause", title: "Cause", width: "minmax(100px, 1fr)", render: ({ cause, actor }) => html`<span class="two"><span>${cause ?? ""}</span>${actor ? html`<span class="muted small">by ${actor}</span>` : nothing}</span>` },
      {
        key: "image",
        title: "Image",
        width: "minmax(168px, 1.2fr)",
        render: ({ workload }) => html`<span class="mono cut">${workload?.image ? workload.image : workload?.imageDigest ? `${workload.imageTag ?? ""} ${shortDigest(workload.imageDigest)}` : "none"}</span>`,
      },
      { key: "replicas", title: "Replicas", width: "68px", align: "end", hideBelow: 560, render: ({ workload }) => html`<span class="number">${workload?.replicas ?? 1}</span>` },
      { key: "time", title: "Made", width: "90px", hideBelow: 480, render: ({ createTime }) => html`<cl-time class="muted" .at=${createTime}></cl-time>` },
      ...(permissions.allows("workloads.write") ? [this.backColumn()] : []),
    ];
  }

  private backColumn(): Column<VersionRow> {
    return {
      key: "back",
      title: "Roll back",
      width: "104px",
      align: "end",
      render: (version) =>
        version.generation === this.workload.generation
          ? nothing
          : html`<button type="button" class="compact" aria-label=${`Roll back to version ${version.generation}`} @click=${() => this.rollback(version)}>${icon("rollback", 13)} Roll back</button>`,
    };
  }

  private async read(): Promise<void> {
    this.reading?.abort();
    const reading = new AbortController();
    this.reading = reading;
    try {
      const versions = await listVersions(client, this.workload.id, reading.signal);
      this.versions = versions.map((version) => ({ ...version, id: version.generation }));
      this.error = undefined;
    } catch (error) {
      if (!reading.signal.aborted) this.error = asApiError(error);
    }
  }

  private async rollback(version: VersionRow): Promise<void> {
    const { workload } = this;
    const done = await this.confirm.ask({
      heading: `Roll ${workload.name} back to version ${version.generation}?`,
      text: "Image and all settings become what they were then, as a new version. The present one stays in the list, so this can be undone.",
      dies: [`Every change made after version ${version.generation}, until you roll forward again`],
      verb: "Roll back",
      danger: false,
      act: async () => workloads.put(await rollbackWorkload(client, workload.id, version.generation)),
    });
    if (done) toast(`${workload.name} goes back to version ${version.generation}.`);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-workload-versions": WorkloadVersions;
  }
}
