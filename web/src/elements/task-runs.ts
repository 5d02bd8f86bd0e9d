// The last runs of a task, newest first; what runs is looked at more often. Emits `ended` when one has ended
// before one's eyes.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { Execution } from "../api/records";
import { executionStanding, isUnderWay } from "../state/executions";
import { Polled } from "../state/polled";
import { shared } from "../styles/shared";
import type { Column } from "./data-table";
import "./data-table";
import "./empty-state";
import "./problem-box";
import "./relative-time";
import "./status-pill";

@customElement("cl-task-runs")
export class TaskRuns extends LitElement {
  /** The last runs, newest first. */
  @property({ attribute: false }) last!: (signal: AbortSignal) => Promise<Execution[]>;
  @property() label = "";
  /** What is said before the first run. */
  @property() empty = "";
  /** Which kind of run it was. */
  @property({ attribute: false }) kind!: (execution: Execution) => string;
  /** What came of it, in a line. */
  @property({ attribute: false }) summary!: (execution: Execution) => string;
  @property({ attribute: false }) detail: ((execution: Execution) => TemplateResult | undefined) | undefined;
  private readonly runs = new Polled(
    this,
    (signal) => this.last(signal),
    (runs) => runs.some(isUnderWay),
  );

  private underWay = 0;

  static override styles = [
    shared,
    css`
      .inside {
        padding: var(--gap-4);
      }
    `,
  ];

  /** Shows what was begun just now. */
  read(): Promise<void> {
    return this.runs.read();
  }

  override render(): TemplateResult {
    const { value, error } = this.runs;
    if (error) return html`<div class="inside"><cl-problem .error=${error}></cl-problem></div>`;
    if (!value) return html`<cl-empty symbol="wait" heading="Reading…"></cl-empty>`;
    if (value.length === 0) return html`<p class="inside muted">It has not run yet. ${this.empty}</p>`;
    return html`<cl-table label=${this.label} noun="run" .columns=${this.columns()} .rows=${value} .detail=${this.detail}></cl-table>`;
  }

  protected override updated(): void {
    const underWay = this.runs.value?.filter(isUnderWay).length ?? 0;
    if (underWay < this.underWay) this.dispatchEvent(new CustomEvent("ended"));
    this.underWay = underWay;
  }

  private columns(): readonly Column<Execution>[] {
    return [
      { key: "when", title: "Begun", width: "minmax(70px, 1fr)", render: ({ createTime }) => html`<cl-time .at=${createTime}></cl-time>` },
      { key: "kind", title: "Kind", width: "92px", hideBelow: 460, render: this.kind },
      { key: "state", title: "State", width: "104px", render: (execution) => html`<cl-status .standing=${executionStanding(execution)}></cl-status>` },
      { key: "by", title: "By", width: "minmax(80px, 1fr)", hideBelow: 620, render: ({ actor, trigger }) => html`<span class="muted cut">${actor ? actor : (trigger ?? "")}</span>` },
      { key: "what", title: "Result", width: "minmax(76px, 2.6fr)", render: (execution) => html`<span class="clamp">${this.summary(execution)}</span>` },
    ];
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-task-runs": TaskRuns;
  }
}
