// A jump code, shown this once, and the exact command that starts the agent with it.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import "../../elements/copy-field";
import { shared } from "../../styles/shared";

@customElement("cl-jump-code")
export class JumpCode extends LitElement {
  @property() code = "";

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: var(--gap-3);
      }
      h3 {
        margin-bottom: 4px;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`
      <p class="once">This code is shown only now. If it is lost, rotate it on the cluster's page.</p>
      <div><h3>Jump code</h3><cl-copy id="code" label="jump code" value=${this.code}></cl-copy></div>
      <div>
        <h3>Start the agent on a Docker Swarm manager</h3>
        <cl-copy id="command" label="command" value=${`CLOUDLY_URL=${location.origin} JUMPCODE=${this.code} coreflow`}></cl-copy>
      </div>
    `;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-jump-code": JumpCode;
  }
}
