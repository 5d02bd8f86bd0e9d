// An address that is no page.
import { html, LitElement, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";

import "../elements/empty-state";
import "../elements/page";
import { shared } from "../styles/shared";

@customElement("cl-not-found")
export class NotFound extends LitElement {
  static override styles = shared;

  override render(): TemplateResult {
    return html`<cl-page heading="Nothing is here">
      <div class="panel"><cl-empty symbol="search" heading="This address is no page of the dashboard"><a class="button" href="/">Go to the overview</a></cl-empty></div>
    </cl-page>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-not-found": NotFound;
  }
}
