// A short list edited row by row: environment, labels, domains, ports. Emits `changed` with the rows as they are now.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, queryAll } from "lit/decorators.js";

import { shared } from "../styles/shared";
import type { Choice } from "./form-field";
import "./form-field";
import { icon } from "./icon";

export type Row = Readonly<Record<string, string>>;

export interface RowColumn {
  key: string;
  label: string;
  placeholder?: string;
  /** A share of the width, as in grid-template-columns. */
  width?: string;
  mono?: boolean;
  type?: "text" | "number" | "select";
  choices?: readonly Choice[];
  /** What a new row begins with. */
  initial?: string;
}

@customElement("cl-rows")
export class RowEditor extends LitElement {
  @property() label = "";
  /** What one row is: "variable", "domain". */
  @property() noun = "row";
  @property({ attribute: false }) columns: readonly RowColumn[] = [];
  @property({ attribute: false }) rows: readonly Row[] = [];
  /** The columns' labels stand above, for rows whose cells do not say what they are. */
  @property({ type: Boolean }) headed = false;
  /** What is wrong with the list as a whole; "" when nothing is. */
  @property() violation = "";
  /** What is wrong with a cell, by `row.key`. */
  @property({ attribute: false }) violations: ReadonlyMap<string, string> = new Map();
  @queryAll(".row") private rowElements!: NodeListOf<HTMLElement>;
  @query(".add") private addButton!: HTMLElement;

  static override styles = [
    shared,
    css`
      fieldset {
        border: 0;
        min-width: 0;
      }
      legend {
        padding: 0;
        margin-bottom: 4px;
        font-weight: 550;
      }
      .rows {
        display: grid;
        gap: 6px;
      }
      .row {
        display: grid;
        align-items: start;
      }
      .row button {
        color: var(--text-muted);
      }
      .head {
        color: var(--text-muted);
        font-size: var(--size-small);
      }
      .violation {
        margin-top: 4px;
        color: var(--bad);
        font-size: var(--size-small);
        font-weight: 500;
      }
      .add {
        margin-top: 6px;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<fieldset>
      <legend>${this.label}</legend>
      ${this.headed && this.rows.length > 0 ? html`<div class="row head" aria-hidden="true" .style=${this.tracks()}>${this.columns.map(({ label }) => html`<span>${label}</span>`)}</div>` : nothing}
      <div class="rows">${this.rows.map((row, index) => this.renderRow(row, index))}</div>
      ${this.violation === "" ? nothing : html`<p class="violation" role="alert">${this.violation}</p>`}
      <button type="button" class="compact add" @click=${this.add}>${icon("plus", 13)} Add ${this.noun}</button>
    </fieldset>`;
  }

  private renderRow(row: Row, index: number): TemplateResult {
    return html`<div class="row" role="group" aria-label=${`${this.noun} ${index + 1}`} .style=${this.tracks()}>
      ${this.columns.map((column) => html`<cl-field
        bare
        label=${column.label}
        type=${column.type ?? "text"}
        placeholder=${column.placeholder ?? column.label}
        ?mono=${column.mono}
        .choices=${column.choices ?? []}
        .value=${row[column.key] ?? ""}
        violation=${this.violations.get(`${index}.${column.key}`) ?? ""}
        @changed=${(event: CustomEvent<string>) => this.set(index, column.key, event)}
      ></cl-field>`)}
      <button type="button" class="quiet icon-only" aria-label=${`Remove ${this.noun} ${index + 1}`} @click=${() => this.takeOut(index)}>${icon("cross", 13)}</button>
    </div>`;
  }

  private tracks(): string {
    return `grid-template-columns: ${this.columns.map(({ width }) => `minmax(0, ${width ?? "1fr"})`).join(" ")} 32px`;
  }

  private set(index: number, key: string, event: CustomEvent<string>): void {
    event.stopPropagation();
    this.tell(this.rows.map((row, at) => (at === index ? { ...row, [key]: event.detail } : row)));
  }

  private add(): void {
    this.tell([...this.rows, Object.fromEntries(this.columns.map(({ key, initial }) => [key, initial ?? ""]))]);
    void this.updateComplete.then(() => {
      [...this.rowElements].at(-1)?.querySelector("cl-field")?.focus();
    });
  }

  private takeOut(index: number): void {
    this.tell(this.rows.filter((_, at) => at !== index));
    // The button that had the focus is gone; the next sensible place is the one that adds.
    this.addButton.focus();
  }

  private tell(rows: readonly Row[]): void {
    this.rows = rows;
    this.dispatchEvent(new CustomEvent<readonly Row[]>("rows-changed", { detail: rows }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-rows": RowEditor;
  }
}
