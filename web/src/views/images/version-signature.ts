// Whether a version's signature fits: with the keys that are demanded of it, or with keys that somebody pastes.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import { verifySignatures } from "../../api/images";
import type { SignatureVerdict } from "../../api/records";
import "../../elements/copy-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import "../../elements/status-pill";
import { Submission } from "../../state/submission";
import { client } from "../../state/world";
import { shared } from "../../styles/shared";
import { count, sentence } from "../../text/format";
import { keyViolation, pemBlocks } from "../../text/pem";
import type { Demand } from "./version-facts";

@customElement("cl-version-signature")
export class VersionSignature extends LitElement {
  @property({ attribute: false }) imageId = "";
  @property({ attribute: false }) digest = "";
  @property({ attribute: false }) demands: readonly Demand[] = [];
  /** New where there may be other signatures than before. */
  @property({ attribute: false }) etag = "";
  @state() private verdicts: readonly { whose: string; verdict: SignatureVerdict }[] = [];
  @state() private pasted = "";
  @state() private own: SignatureVerdict | undefined;
  @state() private error: ApiError | undefined;
  private readonly verifying = new Submission(this);
  private asked = "";
  private asking = new AbortController();

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-3);
      }
      details summary {
        cursor: pointer;
      }
      details[open] summary {
        margin-bottom: var(--gap-3);
      }
      .verdict {
        display: grid;
        gap: 3px;
        justify-items: start;
        overflow-wrap: anywhere;
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.asking.abort();
    this.asked = "";
  }

  protected override updated(changes: PropertyValues<this>): void {
    if (changes.has("digest")) this.own = undefined;
    const asked = JSON.stringify([this.imageId, this.digest, this.etag, this.demands]);
    if (asked === this.asked) return;
    this.asked = asked;
    void this.check();
  }

  override render(): TemplateResult {
    return html`<section class="panel" aria-labelledby="signature">
      <header><h2 id="signature">Signature</h2></header>
      <div class="body stack">
        ${this.verdicts.map(({ whose, verdict }) => renderVerdict(verdict, `demanded by ${whose}`))}
        <details ?open=${this.demands.length === 0 && this.own !== undefined}>
          <summary>Verify with ${this.demands.length === 0 ? "a key" : "another key"}</summary>
          <form @submit=${this.verify}>
            <cl-field
              label="Public keys"
              type="textarea"
              mono
              rows="4"
              placeholder="-----BEGIN PUBLIC KEY-----"
              hint="PEM, as cosign.pub holds one; several below each other."
              .value=${this.pasted}
              violation=${keyViolation(this.verifying.violations, "publicKeys")}
              @changed=${(event: CustomEvent<string>) => (this.pasted = event.detail)}
            ></cl-field>
            <div class="row"><button type="submit" class="compact" ?disabled=${this.verifying.busy || this.pasted.trim() === ""}>${this.verifying.busy ? "Verifying…" : "Verify"}</button></div>
            <cl-problem .error=${this.verifying.violations.size > 0 ? undefined : this.verifying.error}></cl-problem>
            ${this.own ? renderVerdict(this.own, "with these keys") : nothing}
          </form>
        </details>
        <cl-problem .error=${this.error}></cl-problem>
      </div>
    </section>`;
  }

  /** Asks with the keys of each demand. */
  private async check(): Promise<void> {
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const verdicts = await Promise.all(
        this.demands.map(async ({ whose, publicKeys }) => ({ whose, verdict: await verifySignatures(client, this.imageId, this.digest, publicKeys, signal) })),
      );
      if (signal.aborted) return;
      this.verdicts = verdicts;
      this.error = undefined;
    } catch (error) {
      if (!signal.aborted) this.error = asApiError(error);
    }
  }

  private async verify(event: Event): Promise<void> {
    event.preventDefault();
    this.own = undefined;
    await this.verifying.send(async () => void (this.own = await verifySignatures(client, this.imageId, this.digest, pemBlocks(this.pasted))));
  }
}

function renderVerdict({ verified, keyFingerprint = "", signatureCount = 0, reason = "" }: SignatureVerdict, of: string): TemplateResult {
  return html`<div class="verdict" role="status">
    <cl-status .standing=${verified ? { tone: "ok", label: "Verified" } : { tone: "bad", label: "Not verified" }}></cl-status>
    <span>${of}${verified ? nothing : `: ${reason}`}</span>
    ${verified
      ? html`<span class="muted small">by the key <cl-copy inline label="fingerprint of the key" value=${keyFingerprint} display=${keyFingerprint.slice(0, 16)}></cl-copy></span>`
      : html`<span class="muted small">${sentence(count(signatureCount, "signature"))} found</span>`}
  </div>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-version-signature": VersionSignature;
  }
}
