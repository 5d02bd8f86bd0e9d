// Makes an API token and shows its secret this once. Knows no backend; gets callbacks.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { ApiError, asApiError } from "../../api/errors";
import type { ApiTokenWish, CreatedApiToken, User } from "../../api/records";
import type { Check } from "../../elements/check-list";
import "../../elements/check-list";
import "../../elements/copy-field";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { ROLES } from "../../state/roles";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { emptyForm, LIVES, missing, REACHES, wishOf, type Reach, type TokenForm } from "./token-form";

/** Whom a token can be made for. */
export type Owner = Pick<User, "id" | "name" | "roles">;

/** Fields that show themselves what is wrong with them. */
const TOLD = ["name", "roles", "permissions", "clusterIds", "workloadIds", "repositories", "limits", "expireTime", "neverExpires"];

@customElement("cl-token-create-dialog")
export class TokenCreateDialog extends LitElement {
  /** Makes the token; the key makes a repeated attempt the same one. */
  @property({ attribute: false }) create!: (wish: ApiTokenWish, key: string) => Promise<CreatedApiToken>;
  /** The permissions that a user has. */
  @property({ attribute: false }) permissionsOf!: (ownerId: string) => Promise<string[]>;
  /** The caller first, then whom else they may make tokens for. */
  @property({ attribute: false }) owners: readonly Owner[] = [];
  @property({ attribute: false }) clusters: readonly Check[] = [];
  @property({ attribute: false }) workloads: readonly Check[] = [];
  @property({ attribute: false }) repositories: readonly Check[] = [];
  @state() private open = false;
  @state() private form: TokenForm = emptyForm("", []);
  @state() private permissions: readonly string[] = [];
  /** Why the permissions are not known. */
  @state() private unread: ApiError | undefined;
  private readonly sending = new Submission(this);
  /** From when on a token's life counts: fixed, so that the same form always asks for the same. */
  private now = new Date();
  @state() private made: CreatedApiToken | undefined;
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      form,
      .made,
      .limits {
        display: grid;
        gap: var(--gap-4);
      }
      .limits {
        gap: var(--gap-3);
        padding-inline-start: var(--gap-4);
        border-inline-start: 2px solid var(--line);
      }
      .pair {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(180px, 100%), 1fr));
        gap: var(--gap-3);
      }
      .violation {
        color: var(--bad);
        font-size: var(--size-small);
        font-weight: 500;
      }
    `,
  ];

  show(): void {
    const [owner] = this.owners;
    this.form = emptyForm(owner?.id ?? "", owner?.roles ?? []);
    this.now = new Date();
    this.sending.begin();
    this.open = true;
    void this.readPermissions();
  }

  override render(): TemplateResult {
    return html`<cl-dialog
      heading=${this.made ? `Token ${this.made.token.name} is made` : "New API token"}
      width="640px"
      ?open=${this.open}
      ?locked=${this.sending.busy || (this.open && this.made !== undefined)}
      @opened=${() => this.field?.focus()}
      @closed=${this.closed}
    >
      ${this.made ? this.renderMade(this.made) : this.renderForm()}
    </cl-dialog>`;
  }

  private renderForm(): TemplateResult {
    const { form } = this;
    const wrong = (field: string): string => this.sending.wrong(field);
    const owner = this.owners.find(({ id }) => id === form.ownerId);
    return html`<form @submit=${this.submit}>
        <cl-field label="Name" required hint="What it is for, such as “deploy from CI”." .value=${form.name} violation=${wrong("name")} @changed=${(event: CustomEvent<string>) => this.set({ name: event.detail })}></cl-field>
        ${this.owners.length > 1
          ? html`<cl-field
              label="Acts for"
              type="select"
              .choices=${this.owners.map(({ id, name }) => ({ value: id, label: name }))}
              .value=${form.ownerId}
              violation=${wrong("ownerId")}
              @changed=${(event: CustomEvent<string>) => this.setOwner(event.detail)}
            ></cl-field>`
          : nothing}
        <cl-checks
          label="Roles"
          .choices=${ROLES.filter(({ value }) => owner?.roles?.includes(value))}
          .chosen=${form.roles}
          violation=${wrong("roles")}
          @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ roles: event.detail })}
        ></cl-checks>
        <cl-field label="May do" type="select" .choices=${REACHES} .value=${form.reach} @changed=${(event: CustomEvent<string>) => this.set({ reach: event.detail as Reach })}></cl-field>
        ${form.reach === "chosen"
          ? html`<cl-checks
              dense
              label="Permissions"
              .choices=${this.permissions.map((one) => ({ value: one, label: one }))}
              .chosen=${form.permissions}
              violation=${wrong("permissions")}
              none="None to choose from."
              @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ permissions: event.detail })}
            ></cl-checks>`
          : nothing}
        <cl-field
          label="Where"
          type="select"
          .choices=${[
            { value: "", label: "Everywhere" },
            { value: "limited", label: "Only in chosen clusters, workloads and repositories" },
          ]}
          .value=${form.limited ? "limited" : ""}
          @changed=${(event: CustomEvent<string>) => this.set({ limited: event.detail !== "" })}
        ></cl-field>
        ${form.limited ? this.renderLimits(wrong) : nothing}
        <div class="pair">
          <cl-field label="Works for" type="select" .choices=${LIVES} .value=${form.life} violation=${wrong("neverExpires") || (form.life === "date" ? "" : wrong("expireTime"))} @changed=${(event: CustomEvent<string>) => this.set({ life: event.detail })}></cl-field>
          ${form.life === "date" ? html`<cl-field label="Last day" type="date" required .value=${form.lastDay} violation=${wrong("expireTime")} @changed=${(event: CustomEvent<string>) => this.set({ lastDay: event.detail })}></cl-field>` : nothing}
        </div>
        <cl-problem .error=${this.sending.elsewhere(TOLD) ?? this.unread}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Working…" : "Create token"}</button>`;
  }

  private renderLimits(wrong: (field: string) => string): TemplateResult {
    const { form } = this;
    const list = (key: "clusterIds" | "workloadIds" | "repositories", label: string, choices: readonly Check[], none: string): TemplateResult =>
      html`<cl-checks dense label=${label} .choices=${choices} .chosen=${form[key]} none=${none} violation=${wrong(key)} @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ [key]: event.detail })}></cl-checks>`;
    return html`<div class="limits">
      ${list("clusterIds", "Clusters, with all their workloads", this.clusters, "There is no cluster yet.")}
      ${list("workloadIds", "Workloads", this.workloads, "There is no workload yet.")}
      ${list("repositories", "Repositories", this.repositories, "There is no repository yet.")}
      ${wrong("limits") === "" ? nothing : html`<p class="violation" role="alert">${wrong("limits")}</p>`}
    </div>`;
  }

  private renderMade({ token, secret }: CreatedApiToken): TemplateResult {
    return html`<div class="made">
        ${secret
          ? html`<p class="once">This token is shown only now. Copy it to where it is used; if it is lost, revoke it and make another.</p>
              <cl-copy id="secret" label="token" value=${secret}></cl-copy>
              <p class="muted">Send it as <code>Authorization: Bearer …</code>, set it as <code>CLOUDLY_TOKEN</code> for <code>cloudly</code>, or log in to the registry with it:</p>
              <cl-copy id="login" label="command" value=${`docker login ${location.host} -u ${token.ownerName ?? "token"} --password-stdin`}></cl-copy>`
          : html`<p>The token was made by an earlier attempt of this request, and was shown then. If it is lost, revoke it and make another.</p>`}
      </div>
      <button slot="footer" type="button" class="primary" @click=${() => (this.open = false)}>Done</button>`;
  }

  private set(changes: Partial<TokenForm>): void {
    this.form = { ...this.form, ...changes };
  }

  private setOwner(ownerId: string): void {
    this.set({ ownerId, roles: this.owners.find(({ id }) => id === ownerId)?.roles ?? [], permissions: [] });
    void this.readPermissions();
  }

  private async readPermissions(): Promise<void> {
    const { ownerId } = this.form;
    try {
      const found = await this.permissionsOf(ownerId);
      if (ownerId === this.form.ownerId) this.permissions = found;
      this.unread = undefined;
    } catch (error) {
      this.unread = asApiError(error);
    }
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { form } = this;
    await this.sending.send(async (key) => {
      const found = missing(form);
      if (found.size > 0) throw new ApiError({ violations: [...found].map(([field, description]) => ({ field, description })) });
      this.made = await this.create(wishOf(form, this.now), key);
    }, form);
  }

  private closed(): void {
    this.open = false;
    // The secret does not stay behind in the page.
    this.made = undefined;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-token-create-dialog": TokenCreateDialog;
  }
}
