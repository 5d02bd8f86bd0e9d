// The end of a login that a program began where there is no browser: the code to type in there.
import { html, LitElement, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";

import "../../elements/copy-field";
import "../../elements/door";
import { shared } from "../../styles/shared";

@customElement("cl-login-code")
export class LoginCode extends LitElement {
  private code = "";

  static override styles = shared;

  override connectedCallback(): void {
    super.connectedCallback();
    this.code = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
  }

  override render(): TemplateResult {
    if (this.code === "") return html`<cl-door heading="No login is under way"><p>Begin one with <code>cloudly login --sso</code>.</p></cl-door>`;
    return html`<cl-door heading="Back to the terminal">
      <p>Type this code in where you began to log in. It works once, within two minutes.</p>
      <cl-copy label="code" .value=${this.code}></cl-copy>
      <p><strong>Give it to nobody.</strong> If somebody sent you here, close this page: with the code they would log in as you.</p>
    </cl-door>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-login-code": LoginCode;
  }
}
