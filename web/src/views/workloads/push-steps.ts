// How an image gets to a workload: the lines to type, ready to copy.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { Workload } from "../../api/records";
import "../../elements/copy-field";
import { session } from "../../state/world";
import { shared } from "../../styles/shared";
import { pushLines } from "./push-lines";

@customElement("cl-push-steps")
export class PushSteps extends LitElement {
  @property({ attribute: false }) workload!: Workload;

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: var(--gap-3);
      }
    `,
  ];

  override render(): TemplateResult {
    const { workload } = this;
    const target = workload.registryTarget ?? "";
    const onPush = workload.deployOnPush !== false;
    return html`
      <p class="muted">
        ${onPush ? "Pushing to this target is the deployment: the new digest rolls out as soon as the push is whole." : "Deploy on push is off: a push is kept but not rolled out."}
      </p>
      <cl-copy label="registry target" value=${target}></cl-copy>
      <cl-copy label="push commands" value=${pushLines(target, workload.tag ?? "", session.identity?.name ?? "")}></cl-copy>
    `;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-push-steps": PushSteps;
  }
}
