// The ten recovery codes, shown this once: to copy, download or print. Closes only by saying that they are kept.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";

import "../../elements/copy-field";
import "../../elements/dialog";
import { icon } from "../../elements/icon";
import { session } from "../../state/world";
import { shared } from "../../styles/shared";

@customElement("cl-codes-dialog")
export class CodesDialog extends LitElement {
  @state() private codes: readonly string[] = [];
  @state() private open = false;
  private kept: () => void = () => undefined;

  static override styles = [
    shared,
    css`
      .content {
        display: grid;
        gap: var(--gap-4);
      }
      .codes {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(190px, 1fr));
        gap: 6px var(--gap-4);
        padding: var(--gap-4);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--sunken);
        font-family: var(--mono);
      }
      .codes li {
        text-align: center;
        user-select: all;
      }
    `,
  ];

  /** Resolves when they are kept. */
  show(codes: readonly string[]): Promise<void> {
    this.codes = codes;
    this.open = true;
    return new Promise((resolve) => (this.kept = resolve));
  }

  override render(): TemplateResult | typeof nothing {
    if (this.codes.length === 0) return nothing;
    const text = this.codes.join("\n");
    return html`<cl-dialog heading="Your recovery codes" ?open=${this.open} locked @closed=${this.closed}>
      <div class="content">
        <p class="once">These codes are shown only now. Keep them where you find them without your phone.</p>
        <p>When your other second factors are lost, one of these logs you in. Each works once.</p>
        <ul class="codes" aria-label="Recovery codes">${this.codes.map((code) => html`<li>${code}</li>`)}</ul>
        <div class="row">
          <cl-copy button label="recovery codes" value=${text}></cl-copy>
          <button type="button" @click=${() => this.download(text)}>${icon("download")} Download</button>
        </div>
      </div>
      <button slot="footer" type="button" class="primary" @click=${() => (this.open = false)}>I have kept them</button>
    </cl-dialog>`;
  }

  private download(text: string): void {
    const head = `Recovery codes of ${session.identity?.name ?? ""} for Cloudly at ${location.origin}. Each works once.\n\n`;
    const address = URL.createObjectURL(new Blob([head + text + "\n"], { type: "text/plain" }));
    const link = Object.assign(document.createElement("a"), { href: address, download: "cloudly-recovery-codes.txt" });
    link.click();
    URL.revokeObjectURL(address);
  }

  private closed(): void {
    this.open = false;
    this.codes = [];
    this.kept();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-codes-dialog": CodesDialog;
  }
}
