// Which roles somebody has, each with what it allows. Emits `roles-changed`.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import { shared } from "../../styles/shared";

const ROLES = [
  { name: "admin", allows: "everything, users and settings too" },
  { name: "operator", allows: "reads everything; changes clusters, workloads and images" },
  { name: "viewer", allows: "reads everything" },
  { name: "api", allows: "for pipelines: pushes images, changes workloads" },
] as const;

@customElement("cl-roles")
export class RoleChoice extends LitElement {
  @property({ attribute: false }) roles: readonly string[] = [];
  /** What is wrong with the choice; "" when nothing is. */
  @property() violation = "";

  static override styles = [
    shared,
    css`
      fieldset {
        display: grid;
        gap: 6px;
        border: 0;
        min-width: 0;
      }
      legend {
        padding: 0;
        margin-bottom: 4px;
        font-weight: 550;
      }
      label {
        display: flex;
        align-items: baseline;
        gap: var(--gap-2);
      }
      input {
        accent-color: var(--accent-fill);
      }
      .violation {
        color: var(--bad);
        font-size: var(--size-small);
        font-weight: 500;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<fieldset>
      <legend>Roles</legend>
      ${ROLES.map(
        ({ name, allows }) => html`<label>
          <input type="checkbox" .checked=${this.roles.includes(name)} @change=${(event: Event) => this.set(name, (event.target as HTMLInputElement).checked)} />
          <span>${name} <span class="muted small">${allows}</span></span>
        </label>`,
      )}
      ${this.violation === "" ? nothing : html`<p class="violation" role="alert">${this.violation}</p>`}
    </fieldset>`;
  }

  private set(name: string, chosen: boolean): void {
    this.roles = chosen ? [...this.roles, name] : this.roles.filter((role) => role !== name);
    this.dispatchEvent(new CustomEvent<readonly string[]>("roles-changed", { detail: this.roles }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-roles": RoleChoice;
  }
}
