// The audit log: filtered, newest first, page after page; verified and taken home. For admins only.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { exportEntries, listEntries, verify } from "../../api/audit";
import { asApiError, type ApiError } from "../../api/errors";
import type { AuditEntry, AuditVerification } from "../../api/records";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import type { Standing } from "../../state/standing";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { count, enumWord, reasonWords } from "../../text/format";
import { EVERYTHING, fromAddress, isEverything, RESULTS, SPANS, toAddress, toQuery, type AuditFilter } from "./audit-filter";
import { entryDetail } from "./entry-detail";

@customElement("cl-audit-log")
export class AuditLog extends LitElement {
  /** The page's address: the filter is kept in it. */
  @property({ attribute: false }) query = new URLSearchParams();
  @state() private filter: AuditFilter = EVERYTHING;
  @state() private entries: readonly AuditEntry[] | undefined;
  @state() private older = "";
  @state() private reading = false;
  @state() private error: ApiError | undefined;
  @state() private verified: AuditVerification | undefined;
  /** What is going on, told to who waits. */
  @state() private doing: { what: "verify" | "export"; entries: number } | undefined;
  /** What the entries shown answer: older ones belong to the same question. */
  private asked = toQuery(EVERYTHING, new Date());
  private page = new AbortController();
  private reads = new AbortController();

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(min(150px, 100%), 1fr));
        gap: var(--gap-3);
        align-items: end;
        padding: var(--gap-4);
        border-bottom: 1px solid var(--line);
      }
      .buttons {
        display: flex;
        gap: var(--gap-2);
      }
      footer {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: var(--gap-3);
        padding: var(--gap-3) var(--gap-4);
        border-top: 1px solid var(--line);
      }
      .verdict {
        display: flex;
        align-items: flex-start;
        gap: var(--gap-3);
        padding: var(--gap-3) var(--gap-4);
      }
      .verdict > div {
        min-width: 0;
        overflow-wrap: anywhere;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.page = new AbortController();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.page.abort();
    this.reads.abort();
  }

  protected override willUpdate(changes: PropertyValues<this>): void {
    if (!changes.has("query") || !permissions.allows("audit.read")) return;
    this.filter = fromAddress(this.query);
    void this.read();
  }

  override render(): TemplateResult {
    if (!permissions.allows("audit.read")) {
      return html`<cl-page heading="Audit log">
        <div class="panel"><cl-empty symbol="audit" heading="The audit log is for admins"><p>It tells what everybody did. Ask an admin to look something up.</p></cl-empty></div>
      </cl-page>`;
    }
    const { doing, entries } = this;
    return html`<cl-page heading="Audit log">
      <button slot="actions" type="button" ?disabled=${doing !== undefined} @click=${this.verify}>${icon("check")} ${doing?.what === "verify" ? "Verifying…" : "Verify"}</button>
      <button slot="actions" type="button" ?disabled=${doing !== undefined} @click=${this.export}>${icon("down")} ${doing?.what === "export" ? "Exporting…" : "Export"}</button>
      <div class="stack">
        <p class="muted">Who did or tried what, from where, and how it ended. Each entry holds the hash of the one before, so that no change of the log goes unseen.</p>
        ${this.renderVerdict()}
        <cl-problem .error=${this.error}></cl-problem>
        <div class="panel">
          ${this.renderFilter()}
          ${entries === undefined
            ? html`<cl-empty symbol="wait" heading="Reading the log…" ?hidden=${this.error !== undefined}></cl-empty>`
            : entries.length === 0
              ? html`<cl-empty symbol="search" heading="No entry fits"></cl-empty>`
              : html`<cl-table label="Audit entries" noun="entry" .columns=${COLUMNS} .rows=${entries} .detail=${entryDetail}></cl-table>`}
          <footer>
            <span class="muted small" role="status">${entries === undefined ? "" : `${count(entries.length, "entry", "entries")} shown${this.older === "" ? ", which are all" : ""}`}</span>
            ${this.older === "" ? nothing : html`<button type="button" ?disabled=${this.reading} @click=${() => void this.readOlder()}>${this.reading ? "Reading…" : "Older entries"}</button>`}
          </footer>
        </div>
      </div>
    </cl-page>`;
  }

  private renderFilter(): TemplateResult {
    const { filter } = this;
    const text = (key: keyof AuditFilter, label: string, placeholder: string): TemplateResult =>
      html`<cl-field type="search" label=${label} placeholder=${placeholder} .value=${filter[key]} @changed=${(event: CustomEvent<string>) => (this.filter = { ...this.filter, [key]: event.detail })}></cl-field>`;
    const time = (key: "from" | "until", label: string): TemplateResult =>
      html`<cl-field type="datetime-local" label=${label} .value=${filter[key]} @changed=${(event: CustomEvent<string>) => (this.filter = { ...this.filter, [key]: event.detail })}></cl-field>`;
    return html`<form role="search" aria-label="Filter the log" @submit=${this.apply}>
      ${text("actor", "Who", "ada")} ${text("method", "Action", "UserService.")} ${text("kind", "Kind of resource", "cluster")} ${text("resource", "Resource", "name or id")}
      <cl-field type="select" label="Result" .choices=${RESULTS} .value=${filter.result} @changed=${(event: CustomEvent<string>) => this.go({ ...this.filter, result: event.detail })}></cl-field>
      <cl-field type="select" label="When" .choices=${SPANS} .value=${filter.span} @changed=${(event: CustomEvent<string>) => this.go({ ...this.filter, span: event.detail })}></cl-field>
      ${filter.span === "custom" ? html`${time("from", "From")} ${time("until", "Until")}` : nothing}
      <div class="buttons">
        <button type="submit" class="primary">${icon("search")} Show</button>
        ${isEverything(filter) ? nothing : html`<button type="button" @click=${() => this.go(EVERYTHING)}>Clear</button>`}
      </div>
    </form>`;
  }

  private renderVerdict(): TemplateResult | typeof nothing {
    const { verified, doing } = this;
    if (doing?.what === "verify") return html`<div class="panel verdict" role="status"><cl-status .standing=${{ tone: "busy", label: "Verifying" }}></cl-status><div>${count(doing.entries, "entry", "entries")} so far are in order.</div></div>`;
    if (!verified) return nothing;
    const { broken } = verified;
    return html`<div class="panel verdict" role="status">
      <cl-status .standing=${broken ? { tone: "bad", label: "Broken" } : { tone: "ok", label: "In order" }}></cl-status>
      <div>
        ${broken
          ? html`The log is not what was written: ${broken.message} <span class="muted">(${enumWord(broken.kind, "AUDIT_BREAK_KIND")}, entry ${broken.sequence ?? 0})</span>`
          : html`${count(verified.entries ?? 0, "entry", "entries")}, up to number ${verified.sequence}, hang together${verified.checkpoints ? html`; ${count(verified.checkpoints, "signed checkpoint")} agree` : nothing}.
              <p class="muted small">To compare with later: <span class="mono">${verified.hash}</span></p>`}
      </div>
    </div>`;
  }

  private readonly apply = (event: Event): void => {
    event.preventDefault();
    this.go(this.filter);
  };

  /** Shows what fits, and keeps the filter in the address, so that it can be reloaded and sent to somebody. */
  private go(filter: AuditFilter): void {
    this.filter = filter;
    history.replaceState(null, "", toAddress(filter));
    void this.read();
  }

  private async read(): Promise<void> {
    // What was asked before does not matter any more.
    this.reads.abort();
    this.reads = new AbortController();
    this.asked = toQuery(this.filter, new Date());
    await this.readPage("", []);
  }

  private readOlder(): Promise<void> {
    return this.readPage(this.older, this.entries ?? []);
  }

  private async readPage(pageToken: string, before: readonly AuditEntry[]): Promise<void> {
    const { signal } = this.reads;
    this.reading = true;
    this.error = undefined;
    try {
      const page = await listEntries(client, this.asked, pageToken, signal);
      if (signal.aborted) return;
      this.entries = [...before, ...(page.entries ?? [])];
      this.older = page.nextPageToken ?? "";
    } catch (error) {
      if (!signal.aborted) this.error = asApiError(error);
    }
    if (!signal.aborted) this.reading = false;
  }

  private verify(): Promise<void> {
    this.verified = undefined;
    return this.work("verify", async (signal) => {
      this.verified = await verify(client, signal, (entries) => (this.doing = { what: "verify", entries }));
    });
  }

  private export(): Promise<void> {
    return this.work("export", async (signal) => {
      const lines = await exportEntries(client, signal);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(lines);
      link.download = `cloudly-audit-${new Date().toISOString().slice(0, 10)}.jsonl`;
      link.click();
      // The browser has taken it by then.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      toast("The audit log was exported, a line of JSON for each entry.");
    });
  }

  private async work(what: "verify" | "export", done: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.page;
    this.doing = { what, entries: 0 };
    try {
      await done(signal);
    } catch (error) {
      if (!signal.aborted) toastError(error);
    } finally {
      this.doing = undefined;
    }
  }
}

const STANDINGS: Readonly<Record<string, Standing>> = {
  AUDIT_RESULT_DONE: { tone: "ok", label: "Done" },
  AUDIT_RESULT_DENIED: { tone: "bad", label: "Denied" },
  AUDIT_RESULT_FAILED: { tone: "warn", label: "Failed" },
  AUDIT_RESULT_UNKNOWN: { tone: "idle", label: "Unknown" },
};

const status = (result: string): TemplateResult => html`<cl-status plain .standing=${STANDINGS[result] ?? { tone: "idle", label: result }}></cl-status>`;

/** In pixels: a phone's. */
const NARROW = 480;

const COLUMNS: readonly Column<AuditEntry>[] = [
  { key: "time", title: "When", width: "78px", hideBelow: NARROW, render: ({ time }) => html`<cl-time .at=${time}></cl-time>` },
  {
    key: "actor",
    title: "Who",
    width: "minmax(72px, 1fr)",
    render: ({ actor, remoteAddress }) => html`<span class="two"><span>${actor?.name ? html`<strong class="name">${actor.name}</strong>` : html`<span class="muted">nobody</span>`}</span><span class="muted small">${remoteAddress}</span></span>`,
  },
  {
    key: "method",
    title: "Action",
    width: "minmax(96px, 2fr)",
    render: ({ method, count: times = 1, resource }) => html`<span class="two"><span class="mono">${method}${times > 1 ? html` <span class="muted">× ${times}</span>` : nothing}</span><span class="muted small">${[resource?.kind, resource?.name ? resource.name : resource?.id].filter(Boolean).join(" ")}</span></span>`,
  },
  {
    key: "result",
    title: "Result",
    width: "minmax(92px, 1fr)",
    hideBelow: NARROW,
    render: ({ result = "", reason }) => html`<span class="two">${status(result)}${reason ? html`<span class="muted small">${reasonWords(reason)}</span>` : nothing}</span>`,
  },
  {
    key: "ended",
    title: "Result",
    width: "86px",
    showBelow: NARROW,
    render: ({ result = "", time }) => html`<span class="two">${status(result)}<cl-time class="muted small" .at=${time}></cl-time></span>`,
  },
];

declare global {
  interface HTMLElementTagNameMap {
    "cl-audit-log": AuditLog;
  }
}
