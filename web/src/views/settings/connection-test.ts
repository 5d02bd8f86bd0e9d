// Tries out what is set for a provider, and says what was found and what to do. Knows no backend; gets a callback.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { asApiError } from "../../api/errors";
import type { ConnectionTest } from "../../api/records";
import "../../elements/problem-box";
import "../../elements/status-pill";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { sentence } from "../../text/format";
import { checksOf, connectionStanding } from "./connection-words";

@customElement("cl-connection-test")
export class ConnectionTestRow extends LitElement {
  /** The provider's name, for people. */
  @property() label = "";
  /** Why it cannot be tested now; empty where it can. */
  @property() hindrance = "";
  /** What is tested, as one text: what was found before it changed does not count any more. */
  @property() version = "";
  @property({ attribute: false }) test!: () => Promise<ConnectionTest[]>;
  @state() private found: readonly ConnectionTest[] | undefined;
  private readonly sending = new Submission(this);

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: var(--gap-3);
        padding: 10px var(--gap-4);
        border-top: 1px solid var(--line);
      }
      .head {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: var(--gap-2) var(--gap-3);
      }
      .found {
        display: grid;
        gap: var(--gap-2);
        overflow-wrap: anywhere;
      }
      .found + .found {
        padding-top: var(--gap-3);
        border-top: 1px solid var(--line);
      }
    `,
  ];

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("version")) return;
    this.found = undefined;
    this.sending.begin();
  }

  override render(): TemplateResult {
    return html`<div class="head">
        <span class="muted small" id="about">${this.about}</span>
        <button type="button" class="compact" aria-describedby="about" ?disabled=${this.sending.busy || this.hindrance !== ""} @click=${this.run}>${this.sending.busy ? "Testing…" : html`Test connection<span class="visually-hidden"> to ${this.label}</span>`}</button>
      </div>
      <div role="status" class="stack" ?hidden=${!this.found}>${this.found?.map(renderFound)}</div>
      <cl-problem .error=${this.sending.error}></cl-problem>`;
  }

  private get about(): string {
    if (this.hindrance !== "") return this.hindrance;
    if (this.sending.busy) return "Asking…";
    return this.found || this.sending.error ? "" : "Asks the provider; nothing is kept there.";
  }

  private async run(): Promise<void> {
    const { version } = this;
    this.found = undefined;
    await this.sending.send(async () => {
      try {
        const found = await this.test();
        if (version === this.version) this.found = found;
      } catch (thrown) {
        const error = asApiError(thrown);
        throw error.reason === "NOT_SUPPORTED" ? error.reworded({ title: "Not supported", detail: sentence(error.detail) }) : error;
      }
    });
  }
}

function renderFound(test: ConnectionTest): TemplateResult {
  const { provider, target, roundTripMilliseconds, message, action, requestId } = test;
  return html`<div class="found" role="group" aria-label=${`Result for ${provider}`}>
    <div class="row wrap"><cl-status .standing=${connectionStanding(test)}></cl-status><span>${sentence(message ?? "")}</span></div>
    <dl class="facts">
      ${checksOf(test).map(({ name, tone, words }) => html`<dt>${name}</dt><dd><cl-status plain .standing=${{ tone, label: words }}></cl-status></dd>`)}
      ${action ? html`<dt>What to do</dt><dd><strong>${action}</strong></dd>` : nothing}
      <dt>Asked</dt><dd><span class="mono">${target}</span>${roundTripMilliseconds ? html`<span class="muted">, answered in ${roundTripMilliseconds} ms</span>` : nothing}</dd>
      ${requestId ? html`<dt>Its request id</dt><dd class="mono">${requestId}</dd>` : nothing}
    </dl>
  </div>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-connection-test": ConnectionTestRow;
  }
}
