// The registry as a whole: what it holds, its garbage collector, and the images that can be brought back.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import type { Execution, RegistryUsage } from "../../api/records";
import { collectGarbage, lastCollections, registryUsage } from "../../api/registry";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, count } from "../../text/format";
import "../images/image-deleted";
import { executionStanding, isUnderWay, reportOf, totals, type Report } from "./collection-report";

const SOON_MS = 1_000;

@customElement("cl-registry-page")
export class RegistryPage extends LitElement {
  @state() private starting = false;
  @query("cl-confirm") private confirm!: ConfirmDialog;
  private readonly usage = new Polled(this, (signal) => registryUsage(client, signal));
  private readonly collections = new Polled(this, (signal) => lastCollections(client, signal));
  private soon: ReturnType<typeof setTimeout> | undefined;

  static override styles = [
    shared,
    css`
      .tiles {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
        gap: var(--gap-4);
      }
      .tile {
        display: grid;
        gap: 2px;
        align-content: start;
        padding: var(--gap-4);
      }
      .tile strong {
        font-size: 1.4rem;
        font-weight: 620;
        letter-spacing: -0.015em;
      }
      .actions {
        display: flex;
        gap: var(--gap-2);
      }
      .entries {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr) minmax(0, 1.4fr) max-content;
        gap: 3px var(--gap-4);
        max-height: 320px;
        overflow: auto;
      }
      .entries > span {
        overflow-wrap: anywhere;
      }
      @media (max-width: 620px) {
        .entries {
          grid-template-columns: max-content minmax(0, 1fr);
        }
        .entries .rest {
          display: none;
        }
        .panel > header {
          flex-wrap: wrap;
        }
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.soon);
  }

  override render(): TemplateResult {
    return html`<cl-page heading="Registry">
        <div class="stack">
          <cl-problem .error=${this.usage.error}></cl-problem>
          ${this.usage.value ? renderUsage(this.usage.value) : nothing}
          <section class="panel" aria-labelledby="collections">
            <header>
              <h2 id="collections">Garbage collection</h2>
              ${permissions.allows("images.write")
                ? html`<div class="actions">
                    <button type="button" class="compact" ?disabled=${this.starting} @click=${() => this.collect(true)}>Dry run</button>
                    <button type="button" class="compact" ?disabled=${this.starting} @click=${this.askToCollect}>Collect now</button>
                  </div>`
                : nothing}
            </header>
            ${this.renderCollections()}
          </section>
          <section class="panel" aria-labelledby="deleted">
            <header><h2 id="deleted">Deleted images</h2></header>
            <cl-image-deleted></cl-image-deleted>
          </section>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>`;
  }

  protected override updated(): void {
    // What runs is looked at more often than what lies there.
    clearTimeout(this.soon);
    if (this.collections.value?.some(isUnderWay)) this.soon = setTimeout(() => void this.collections.read(), SOON_MS);
  }

  private renderCollections(): TemplateResult {
    const { value, error } = this.collections;
    if (error) return html`<div class="body"><cl-problem .error=${error}></cl-problem></div>`;
    if (!value) return html`<cl-empty symbol="wait" heading="Reading…"></cl-empty>`;
    if (value.length === 0) return html`<cl-empty symbol="idle" heading="It has not run yet">It runs every hour. A dry run shows what it would do now.</cl-empty>`;
    return html`<cl-table label="Collections" noun="collection" .columns=${COLUMNS} .rows=${value} .detail=${renderReport}></cl-table>`;
  }

  private readonly askToCollect = async (): Promise<void> => {
    await this.confirm.ask({
      heading: "Collect garbage now?",
      text: "Rules of retention are applied. What nothing has needed for the whole grace goes into quarantine, and what has been there long enough is deleted for good. Pushes and pulls go on.",
      verb: "Collect",
      danger: false,
      act: () => this.collect(false),
    });
  };

  private async collect(dryRun: boolean): Promise<void> {
    this.starting = true;
    try {
      await collectGarbage(client, dryRun);
      toast(dryRun ? "The dry run has begun. Its report appears below." : "The collection has begun.");
      await Promise.all([this.collections.read(), this.usage.read()]);
    } catch (error) {
      toastError(error);
    } finally {
      this.starting = false;
    }
  }
}

function renderUsage(usage: RegistryUsage): TemplateResult {
  const stored = Number(usage.blobBytes ?? 0);
  const shown = Number(usage.imageBytes ?? 0);
  const tiles: [string, string, string][] = [
    ["Stored", bytes(stored), count(Number(usage.blobCount ?? 0), "blob")],
    ["Saved by sharing", bytes(Math.max(0, shown - stored)), `images add up to ${bytes(shown)}`],
    ["Images", String(usage.imageCount ?? 0), count(Number(usage.versionCount ?? 0), "tag")],
    ["In quarantine", String(usage.quarantineCount ?? 0), "can be restored"],
    ["Uploads", String(usage.uploadCount ?? 0), "under way or left"],
  ];
  return html`<section class="tiles" aria-label="Usage">
    ${tiles.map(([name, value, more]) => html`<div class="panel tile"><span class="muted">${name}</span><strong class="number">${value}</strong><span class="muted small">${more}</span></div>`)}
  </section>`;
}

const COLUMNS: readonly Column<Execution>[] = [
  { key: "when", title: "Begun", width: "minmax(70px, 1fr)", render: ({ createTime }) => html`<cl-time .at=${createTime}></cl-time>` },
  { key: "kind", title: "Kind", width: "84px", hideBelow: 460, render: ({ parameters }) => (parameters?.dryRun === true ? "Dry run" : "Collection") },
  { key: "state", title: "State", width: "104px", render: (execution) => html`<cl-status .standing=${executionStanding(execution)}></cl-status>` },
  { key: "by", title: "By", width: "minmax(80px, 1fr)", hideBelow: 620, render: ({ actor, trigger }) => html`<span class="muted cut">${actor ? actor : (trigger ?? "")}</span>` },
  { key: "what", title: "What went", width: "minmax(76px, 2.4fr)", render: (execution) => html`<span class="clamp">${totals(execution)}</span>` },
  { key: "bytes", title: "Freed", width: "80px", align: "end", hideBelow: 520, render: (execution) => html`<span class="number">${bytes(reportOf(execution)?.bytes)}</span>` },
];

function renderReport(execution: Execution): TemplateResult | undefined {
  const report = reportOf(execution);
  if (!report || (report.entries.length === 0 && report.waiting === 0)) return undefined;
  return html`${report.waiting > 0 ? html`<p class="muted">${count(report.waiting, "more thing")} (${bytes(report.waitingBytes)}) unused, and waiting for the end of the grace.</p>` : nothing}${renderEntries(report)}`;
}

function renderEntries({ entries, entriesLeftOut }: Report): TemplateResult {
  return html`<div class="entries">
      ${entries.map(({ what, repository, reference, why, bytes: freed }) => html`<span>${what}</span><span class="mono">${[repository, reference].filter((part) => part !== "").join(" ")}</span><span class="muted rest">${why}</span><span class="number rest">${freed > 0 ? bytes(freed) : ""}</span>`)}
    </div>
    ${entriesLeftOut > 0 ? html`<p class="muted">and ${entriesLeftOut} more</p>` : nothing}`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-registry-page": RegistryPage;
  }
}
