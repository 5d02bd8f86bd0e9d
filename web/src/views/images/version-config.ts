// What an image's configuration says: what it runs, as whom, with which environment.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { ImageConfig } from "../../api/records";
import "../../elements/relative-time";
import "../../elements/variables";
import { shared } from "../../styles/shared";

@customElement("cl-version-config")
export class VersionConfig extends LitElement {
  @property({ attribute: false }) config!: ImageConfig;

  static override styles = shared;

  override render(): TemplateResult {
    const { config } = this;
    const environment = (config.environment ?? []).map(({ name, value }) => [name ?? "", value ?? ""] as const);
    const labels = Object.entries(config.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return html`<dl class="facts">
      ${code("Entrypoint", (config.entrypoint ?? []).join(" "))}${code("Command", (config.command ?? []).join(" "))}${code("User", config.user)}${code("Directory", config.workingDirectory)}
      ${code("Ports", (config.exposedPorts ?? []).join(", "))}${code("Volumes", (config.volumes ?? []).join(", "))}${code("Stop signal", config.stopSignal)}
      <dt>Environment</dt>
      <dd><cl-variables .variables=${environment}></cl-variables></dd>
      ${labels.length > 0 ? html`<dt>Labels</dt><dd>${labels.map(([name, value]) => html`<div><code>${`${name}=${value}`}</code></div>`)}</dd>` : nothing}
      ${config.author ? html`<dt>Author</dt><dd>${config.author}</dd>` : nothing}
      ${config.createTime ? html`<dt>Built</dt><dd><cl-time .at=${config.createTime}></cl-time></dd>` : nothing}
    </dl>`;
  }
}

function code(name: string, value: string | undefined): TemplateResult | typeof nothing {
  return value ? html`<dt>${name}</dt><dd><code>${value}</code></dd>` : nothing;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-version-config": VersionConfig;
  }
}
