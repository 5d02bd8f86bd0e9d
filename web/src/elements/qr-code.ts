// Text as a QR code (ISO/IEC 18004): dark on white in every theme, because cameras want it so. Drawn as SVG: the
// Content-Security-Policy allows no inline style, which canvas-drawing components set.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import { encode } from "uqr";

/** The light frame that readers need, in modules. */
const QUIET_ZONE = 4;

@customElement("cl-qr")
export class QrCode extends LitElement {
  @property() value = "";
  /** What it is, for those who do not see it. */
  @property() label = "";

  static override styles = css`
    :host {
      display: block;
      width: 192px;
      max-width: 100%;
    }
    svg {
      display: block;
      border-radius: var(--radius);
      background: #fff;
      color: #000;
    }
  `;

  override render(): TemplateResult {
    const { size, data } = encode(this.value, { ecc: "M", border: QUIET_ZONE });
    const dark = data.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x} ${y}h1v1h-1z`] : [])));
    return html`<svg role="img" aria-label=${this.label} viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="currentColor" d=${dark.join("")} /></svg>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-qr": QrCode;
  }
}
