// A table of any length: only the rows in view are in the page (@lit-labs/virtualizer), yet assistive technology is told
// the whole count. Sorts by its columns, filters by words, opens a detail row when it has one.
import "@lit-labs/virtualizer";
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { shared } from "../styles/shared";
import { count } from "../text/format";
import "./form-field";
import { icon } from "./icon";
import { fitting, ordered, searched, type Column, type Order } from "./table-rows";

export type { Column } from "./table-rows";

export interface Keyed {
  id: string;
}

@customElement("cl-table")
export class DataTable<T extends Keyed = Keyed> extends LitElement {
  /** The table's name for assistive technology. */
  @property() label = "";
  @property() noun = "row";
  @property({ attribute: false }) columns: readonly Column<T>[] = [];
  @property({ attribute: false }) rows: readonly T[] = [];
  /** The page a row leads to. The first column's link is what the keyboard uses. */
  @property({ attribute: false }) href: ((row: T) => string) | undefined;
  /** What the search looks at; without it there is no search. */
  @property({ attribute: false }) text: ((row: T) => string) | undefined;
  /** More about a row, shown below it when it is opened; `undefined` for rows without. */
  @property({ attribute: false }) detail: ((row: T) => TemplateResult | undefined) | undefined;
  @property({ attribute: false }) order: Order | undefined;
  @state() private search = "";
  @state() private width = 10_000;
  @state() private opened: ReadonlySet<string> = new Set();
  private readonly sizes = new ResizeObserver(([entry]) => (this.width = entry?.contentRect.width ?? this.width));

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      .tools {
        display: flex;
        align-items: center;
        flex-wrap: wrap;
        gap: var(--gap-2) var(--gap-3);
        padding: var(--gap-3) var(--gap-4);
        border-bottom: 1px solid var(--line);
      }
      .tools cl-field {
        width: min(280px, 100%);
      }
      .count {
        margin-inline-start: auto;
        color: var(--text-muted);
        font-size: var(--size-small);
      }
      .line {
        display: grid;
        grid-template-columns: var(--tracks);
        gap: 0 var(--gap-4);
        align-items: center;
        width: 100%;
        padding: 0 var(--gap-4);
      }
      .head {
        min-height: 32px;
        border-bottom: 1px solid var(--line);
        background: var(--sunken);
        font-size: var(--size-small);
        color: var(--text-muted);
        font-weight: 550;
      }
      .head button {
        height: 24px;
        margin-inline: -7px;
        padding: 0 6px;
        gap: 3px;
        font: inherit;
        color: inherit;
      }
      lit-virtualizer {
        display: block;
      }
      .item {
        width: 100%;
        border-bottom: 1px solid var(--line);
      }
      .item.last {
        border-bottom: 0;
      }
      .body {
        min-height: 41px;
        padding-block: 8px;
      }
      .item.leads {
        cursor: pointer;
      }
      .item.leads:hover .body {
        background: var(--hover);
      }
      .cell {
        min-width: 0;
        overflow: hidden;
        text-overflow: ellipsis;
      }
      .cell:has(:focus-visible) {
        overflow: visible;
      }
      .end {
        text-align: end;
        justify-self: end;
      }
      .name {
        font-weight: 550;
        color: var(--text);
      }
      .two {
        display: grid;
      }
      .two > * {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .clamp {
        display: -webkit-box;
        overflow: hidden;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 2;
        line-clamp: 2;
        overflow-wrap: anywhere;
      }
      .detail {
        padding: 0 var(--gap-4) var(--gap-3) 54px;
      }
      .entries {
        display: grid;
        gap: 3px;
        max-height: 320px;
        overflow: auto;
        overflow-wrap: anywhere;
      }
      pre {
        margin: 0;
        max-height: 260px;
        overflow: auto;
        padding: var(--gap-3);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--sunken);
        font: 400 var(--size-small) / 1.6 var(--mono);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      @media (max-width: 620px) {
        .line {
          column-gap: var(--gap-2);
        }
        .detail {
          padding-inline-start: var(--gap-4);
        }
      }
      .nothing {
        padding: var(--gap-5);
        text-align: center;
        color: var(--text-muted);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.sizes.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sizes.disconnect();
  }

  override render(): TemplateResult {
    const columns = fitting(this.columns, this.width);
    const rows = ordered(this.text ? searched(this.rows, this.search, this.text) : this.rows, this.columns, this.order);
    const tracks = [...(this.detail ? ["26px"] : []), ...columns.map(({ width }) => width)].join(" ");
    return html`
      <div class="tools" ?hidden=${!this.text}>
        <cl-field bare type="search" label=${`Search ${this.label}`} placeholder="Search" .value=${this.search} @changed=${(event: CustomEvent<string>) => (this.search = event.detail)}></cl-field>
        <slot name="tools"></slot>
        <span class="count number" role="status">${rows.length === this.rows.length ? count(rows.length, this.noun) : `${rows.length} of ${count(this.rows.length, this.noun)}`}</span>
      </div>
      <div role="table" .style=${`--tracks: ${tracks}`} aria-label=${this.label} aria-rowcount=${rows.length + 1} aria-colcount=${columns.length + (this.detail ? 1 : 0)}>
        <div role="rowgroup">
          <div role="row" aria-rowindex="1" class="line head">
            ${this.detail ? html`<span role="columnheader" class="cell"><span class="visually-hidden">Details</span></span>` : nothing}
            ${columns.map((column) => this.renderHead(column))}
          </div>
        </div>
        ${rows.length === 0
          ? nothing
          : html`<lit-virtualizer
              role="rowgroup"
              .items=${[...rows]}
              .keyFunction=${(row: unknown) => (row as T).id}
              .renderItem=${(row: unknown, index: number) => this.renderRow(row as T, index, columns, rows.length)}
            ></lit-virtualizer>`}
      </div>
      ${rows.length === 0 && this.rows.length > 0 ? html`<p class="nothing">Nothing matches “${this.search}”.</p>` : nothing}
    `;
  }

  private renderHead(column: Column<T>): TemplateResult {
    const sorted = this.order?.key === column.key ? (this.order.descending ? "descending" : "ascending") : "none";
    const kind = `cell ${column.align ?? ""}`;
    if (!column.sort) return html`<span role="columnheader" class=${kind}>${column.title}</span>`;
    return html`<span role="columnheader" class=${kind} aria-sort=${sorted}>
      <button type="button" class="quiet" @click=${() => this.sortBy(column.key)}>
        ${column.title}${sorted === "none" ? nothing : icon(sorted === "ascending" ? "up" : "down", 11)}
      </button>
    </span>`;
  }

  private renderRow(row: T, index: number, columns: readonly Column<T>[], total: number): TemplateResult {
    const href = this.href?.(row);
    const more = this.detail?.(row);
    const open = more !== undefined && this.opened.has(row.id);
    // A click anywhere in the row follows its link; the keyboard has the link itself.
    // eslint-disable-next-line lit-a11y/click-events-have-key-events -- see above
    return html`<div class="item ${href ? "leads" : ""} ${index === total - 1 ? "last" : ""}" @click=${(event: MouseEvent) => this.follow(event)}>
      <div role="row" aria-rowindex=${index + 2} class="line body">
        ${this.detail ? html`<span role="cell" class="cell">${more ? this.renderToggle(row, open) : nothing}</span>` : nothing}
        ${columns.map((column, at) => html`<span role="cell" class="cell ${column.align ?? ""}">${
          at === 0 && href ? html`<a class="name" href=${href}>${column.render(row)}</a>` : column.render(row)
        }</span>`)}
      </div>
      ${open ? html`<div role="row"><div role="cell" class="detail">${more}</div></div>` : nothing}
    </div>`;
  }

  private renderToggle(row: T, open: boolean): TemplateResult {
    return html`<button type="button" class="quiet compact icon-only" aria-expanded=${open} aria-label=${open ? "Hide details" : "Show details"} @click=${() => this.toggle(row.id)}>
      ${icon(open ? "down" : "right", 13)}
    </button>`;
  }

  private toggle(id: string): void {
    const opened = new Set(this.opened);
    if (!opened.delete(id)) opened.add(id);
    this.opened = opened;
  }

  private sortBy(key: string): void {
    const same = this.order?.key === key;
    this.order = { key, descending: same && !this.order?.descending };
  }

  private follow(event: MouseEvent): void {
    const row = event.currentTarget as HTMLElement;
    const own = event.composedPath().some((node) => node instanceof Element && node.matches("a, button, cl-copy, .detail"));
    if (own || getSelection()?.type === "Range") return;
    row.querySelector<HTMLAnchorElement>("a.name")?.click();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-table": DataTable;
  }
}
