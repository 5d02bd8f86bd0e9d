// What people may set of an image: who pulls, how much it may hold, which tags stay where they are, which may go.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { previewRetention, updateImage } from "../../api/images";
import type { Image, RetentionPreview } from "../../api/records";
import "../../elements/check-list";
import "../../elements/form-field";
import "../../elements/problem-box";
import "../../elements/relative-time";
import type { Row, RowColumn } from "../../elements/row-editor";
import "../../elements/row-editor";
import { toast } from "../../elements/toasts";
import { Submission } from "../../state/submission";
import { client, images } from "../../state/world";
import { shared } from "../../styles/shared";
import { count } from "../../text/format";
import { changesOf, formOf, missing, rulesOf, type ImageForm } from "./image-form";

const TAGS: readonly RowColumn[] = [{ key: "pattern", label: "Tag pattern", placeholder: "v*", mono: true }];
const RULES: readonly RowColumn[] = [
  { key: "pattern", label: "Tag pattern", placeholder: "ci-* (empty: all)", mono: true, width: "2fr" },
  { key: "last", label: "Keep the newest", placeholder: "0", type: "number" },
  { key: "days", label: "Younger than, days", placeholder: "0", type: "number" },
];
const SHOWN = 12;

@customElement("cl-image-settings")
export class ImageSettingsForm extends LitElement {
  @property({ attribute: false }) image!: Image;
  @state() private form: ImageForm | undefined;
  @state() private preview: RetentionPreview | undefined;
  @state() private violations: ReadonlyMap<string, string> = new Map();
  private readonly saving = new Submission(this);
  private readonly previewing = new Submission(this);
  /** The image as it was when the form was filled. */
  private base: Image | undefined;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-5);
        max-width: 640px;
      }
      .quota {
        max-width: 240px;
      }
      .preview {
        display: grid;
        gap: var(--gap-2);
        padding: var(--gap-3) var(--gap-4);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--sunken);
      }
      .preview li {
        display: flex;
        flex-wrap: wrap;
        gap: 0 var(--gap-3);
      }
      .group {
        display: grid;
        gap: var(--gap-2);
      }
    `,
  ];

  protected override willUpdate(changes: PropertyValues<this>): void {
    // A push changes the image, too; what somebody is writing stays until they save or leave.
    if (changes.has("image") && (this.base?.id !== this.image.id || !this.changes())) this.fill();
  }

  override render(): TemplateResult | typeof nothing {
    const { form } = this;
    if (!form) return nothing;
    return html`<form @submit=${this.save}>
      <cl-field label="Description" .value=${form.description} @changed=${(event: CustomEvent<string>) => this.set({ description: event.detail })}></cl-field>
      <cl-checks
        label="Who may pull"
        .choices=${[{ value: "public", label: "Anyone may pull, without a login", hint: "Pushing and deleting always need one." }]}
        .chosen=${form.public ? ["public"] : []}
        @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ public: event.detail.includes("public") })}
      ></cl-checks>
      <cl-field
        class="quota"
        label="Quota"
        type="number"
        min="0"
        step="any"
        unit="GiB"
        placeholder="no limit"
        hint="Pushes that would pass it are refused."
        .value=${form.quota}
        violation=${this.saving.wrong("quotaBytes")}
        @changed=${(event: CustomEvent<string>) => this.set({ quota: event.detail })}
      ></cl-field>
      <div class="group">
        <cl-rows label="Immutable tags" noun="pattern" .columns=${TAGS} .rows=${form.immutable} @rows-changed=${(event: CustomEvent<readonly Row[]>) => this.set({ immutable: event.detail })}></cl-rows>
        <p class="muted small">A tag that matches is never moved to another digest. <code>*</code> stands for anything, <code>?</code> for one letter.</p>
      </div>
      <div class="group">
        <cl-rows headed label="Retention" noun="rule" .columns=${RULES} .rows=${form.retention} .violations=${this.violations} @rows-changed=${(event: CustomEvent<readonly Row[]>) => this.set({ retention: event.detail })}></cl-rows>
        <p class="muted small">The first rule that matches a tag decides: it keeps the newest, and those that are young enough. What a cluster uses and the newest tag of all always stay. Whatever goes can be restored for some days.</p>
        <div class="row"><button type="button" class="compact" ?disabled=${form.retention.length === 0 || this.previewing.busy} @click=${this.show}>Preview</button></div>
        <cl-problem .error=${this.previewing.error}></cl-problem>
        ${this.renderPreview()}
      </div>
      <cl-problem .error=${this.saving.error}>
        ${this.saving.error?.stale ? html`<button type="button" class="compact" @click=${this.fill}>Load what it is now</button>` : nothing}
      </cl-problem>
      <div class="row">
        <button type="submit" class="primary" ?disabled=${this.saving.busy || !this.changes()}>${this.saving.busy ? "Saving…" : "Save settings"}</button>
        ${this.changes() ? html`<button type="button" @click=${this.fill}>Undo changes</button>` : nothing}
      </div>
    </form>`;
  }

  private renderPreview(): TemplateResult | typeof nothing {
    const { preview } = this;
    if (!preview) return nothing;
    const gone = preview.outdatedCount ?? 0;
    const tags = preview.tags ?? [];
    return html`<div class="preview" role="status" id="preview">
      <strong>${gone === 0 ? "Every tag would stay." : `${count(gone, "tag")} would go at the next collection, ${preview.keptCount ?? 0} stay.`}</strong>
      ${tags.length === 0
        ? nothing
        : html`<ul>${tags.slice(0, SHOWN).map(({ tag, pushTime }) => html`<li><span class="mono">${tag}</span><cl-time class="muted" .at=${pushTime}></cl-time></li>`)}</ul>`}
      ${gone > SHOWN ? html`<span class="muted">and ${gone - SHOWN} more</span>` : nothing}
    </div>`;
  }

  private changes(): ReturnType<typeof changesOf> {
    return this.base && this.form ? changesOf(this.base, this.form) : undefined;
  }

  private readonly fill = (): void => {
    this.base = this.image;
    this.form = formOf(this.image);
    this.preview = undefined;
    this.saving.begin();
    this.previewing.begin();
    this.violations = new Map();
  };

  private set(changes: Partial<ImageForm>): void {
    if (!this.form) return;
    this.form = { ...this.form, ...changes };
    if (changes.retention) {
      this.preview = undefined;
      this.violations = new Map();
    }
  }

  private valid(): boolean {
    if (!this.form) return false;
    this.violations = missing(this.form);
    return this.violations.size === 0;
  }

  private async show(): Promise<void> {
    const { form } = this;
    if (form && this.valid()) await this.previewing.send(async () => void (this.preview = await previewRetention(client, this.image.id, rulesOf(form))));
  }

  private async save(event: Event): Promise<void> {
    event.preventDefault();
    const changes = this.changes();
    if (!changes || !this.valid()) return;
    await this.saving.send(async () => {
      // The image's etag is new at every push, so only what people set is compared: a push is no edit.
      const saved = await updateImage(client, { id: this.image.id, etag: this.edited() ? this.base?.etag : this.image.etag }, changes);
      images.put(saved);
      this.image = saved;
      this.fill();
      toast("The settings are saved.");
    });
  }

  /** Whether somebody else has changed the settings since the form was filled. */
  private edited(): boolean {
    return this.base !== undefined && changesOf(this.base, formOf(this.image)) !== undefined;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-image-settings": ImageSettingsForm;
  }
}
