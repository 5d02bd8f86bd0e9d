// The registry as a whole: what it holds, its garbage collector, its check, and the images that can be brought back.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { lastRuns } from "../../api/executions";
import type { Execution, RegistryUsage } from "../../api/records";
import { checkRegistry, collectGarbage, registryUsage } from "../../api/registry";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/page";
import "../../elements/problem-box";
import type { TaskRuns } from "../../elements/task-runs";
import "../../elements/task-runs";
import { toast, toastError } from "../../elements/toasts";
import { resultOf } from "../../state/executions";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, count } from "../../text/format";
import "../images/image-deleted";
import { checked, type CheckReport } from "./check-report";
import { collected, type CollectionReport } from "./collection-report";

@customElement("cl-registry-page")
export class RegistryPage extends LitElement {
  @state() private starting = false;
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("#runs-of-collection") private collections!: TaskRuns;
  @query("#runs-of-check") private checks!: TaskRuns;
  private readonly usage = new Polled(this, (signal) => registryUsage(client, signal));

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
      @media (max-width: 620px) {
        .panel > header {
          flex-wrap: wrap;
        }
      }
    `,
  ];

  override render(): TemplateResult {
    const writes = permissions.allows("images.write");
    return html`<cl-page heading="Registry">
        <div class="stack">
          <cl-problem .error=${this.usage.error}></cl-problem>
          ${this.usage.value ? renderUsage(this.usage.value) : nothing}
          <section class="panel" aria-labelledby="collections">
            <header>
              <h2 id="collections">Garbage collection</h2>
              ${writes
                ? html`<div class="actions">
                    <button type="button" class="compact" ?disabled=${this.starting} @click=${() => this.collect(true)}>Dry run</button>
                    <button type="button" class="compact" ?disabled=${this.starting} @click=${this.askToCollect}>Collect now</button>
                  </div>`
                : nothing}
            </header>
            <cl-task-runs id="runs-of-collection" .last=${(signal: AbortSignal) => lastRuns(client, "collect-garbage", signal)} label="Collections" empty="It runs every hour. A dry run shows what it would do now." .kind=${kindOfCollection} .summary=${collected} .detail=${renderCollection}></cl-task-runs>
          </section>
          <section class="panel" aria-labelledby="checks">
            <header>
              <h2 id="checks">Check</h2>
              ${writes
                ? html`<div class="actions">
                    <button type="button" class="compact" ?disabled=${this.starting} @click=${() => this.check(false, false)}>Check</button>
                    <button type="button" class="compact" ?disabled=${this.starting} title="Reads all bytes and compares their digests" @click=${() => this.check(true, false)}>Deep check</button>
                    <button type="button" class="compact" ?disabled=${this.starting} @click=${this.askToRepair}>Repair</button>
                  </div>`
                : nothing}
            </header>
            <cl-task-runs id="runs-of-check" .last=${(signal: AbortSignal) => lastRuns(client, "registry-fsck", signal)} label="Checks" empty="It looks whether everything is there. A deep check reads all bytes and compares their digests." .kind=${kindOfCheck} .summary=${checked} .detail=${renderCheck}></cl-task-runs>
          </section>
          <section class="panel" aria-labelledby="deleted">
            <header><h2 id="deleted">Deleted images</h2></header>
            <cl-image-deleted></cl-image-deleted>
          </section>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>`;
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

  private readonly askToRepair = async (): Promise<void> => {
    await this.confirm.ask({
      heading: "Repair the registry?",
      text: "It is checked, and what can be done about each fault is done: records are set right, what is lost is marked so that the next push brings it back. Pushes and pulls go on.",
      verb: "Repair",
      danger: false,
      act: () => this.check(false, true),
    });
  };

  private collect(dryRun: boolean): Promise<void> {
    return this.start(() => collectGarbage(client, dryRun), this.collections, dryRun ? "The dry run has begun. Its report appears below." : "The collection has begun.");
  }

  private check(deep: boolean, repair: boolean): Promise<void> {
    return this.start(() => checkRegistry(client, deep, repair), this.checks, "The check has begun. Its report appears below.");
  }

  private async start(begin: () => Promise<unknown>, runs: TaskRuns, said: string): Promise<void> {
    this.starting = true;
    try {
      await begin();
      toast(said);
      await runs.read();
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

function kindOfCollection({ parameters }: Execution): string {
  return parameters?.dryRun === true ? "Dry run" : "Collection";
}

function kindOfCheck({ parameters }: Execution): string {
  if (parameters?.repair === true) return "Repair";
  return parameters?.deep === true ? "Deep check" : "Check";
}

function renderCollection(execution: Execution): TemplateResult | undefined {
  const report = resultOf(execution) as CollectionReport | undefined;
  if (!report || (report.entries.length === 0 && report.waiting === 0)) return undefined;
  const entries = report.entries.map(({ what, repository, reference, why, bytes: freed }) => [what, [repository, reference].filter((part) => part !== "").join(" "), why, freed > 0 ? bytes(freed) : ""] as const);
  return html`${report.waiting > 0 ? html`<p class="muted">${count(report.waiting, "more thing")} (${bytes(report.waitingBytes)}) unused, and waiting for the end of the grace.</p>` : nothing}${renderEntries(entries, report.entriesLeftOut)}`;
}

function renderCheck(execution: Execution): TemplateResult | undefined {
  const report = resultOf(execution) as CheckReport | undefined;
  if (!report || report.entries.length === 0) return undefined;
  const entries = report.entries.map(({ fault, reference, why, repaired, repositories, tags }) => [fault, [reference, ...repositories, ...tags].join(" "), why, repaired] as const);
  return renderEntries(entries, report.entriesLeftOut);
}

function renderEntries(entries: readonly (readonly [string, string, string, string])[], leftOut: number): TemplateResult {
  return html`<ul class="entries">
      ${entries.map(([what, reference, why, more]) => html`<li><strong>${what}</strong> <span class="mono">${reference}</span> <span class="muted">${[why, more].filter((part) => part !== "").join("; ")}</span></li>`)}
    </ul>
    ${leftOut > 0 ? html`<p class="muted">and ${leftOut} more</p>` : nothing}`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-registry-page": RegistryPage;
  }
}
