// Tells the workloads that follow an image of a version of it, and shows what it came to at each. Knows no backend; gets a callback.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { Announced, AnnouncedRollout } from "../../api/records";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import "../../elements/status-pill";
import type { Standing } from "../../state/standing";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { sentence, shortDigest } from "../../text/format";

const OUTCOMES: Readonly<Partial<Record<NonNullable<AnnouncedRollout["outcome"]>, Standing>>> = {
  ANNOUNCEMENT_OUTCOME_DEPLOYED: { tone: "ok", label: "Rolled out" },
  ANNOUNCEMENT_OUTCOME_UNCHANGED: { tone: "idle", label: "Runs it already" },
  ANNOUNCEMENT_OUTCOME_HELD: { tone: "wait", label: "Waits for a signature" },
  ANNOUNCEMENT_OUTCOME_SKIPPED: { tone: "warn", label: "Passed over" },
};

@customElement("cl-announce-dialog")
export class AnnounceDialog extends LitElement {
  @property({ attribute: false }) announce!: (image: string) => Promise<Announced>;
  @state() private open = false;
  @state() private image = "";
  @state() private announced: Announced | undefined;
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      form,
      .came {
        display: grid;
        gap: var(--gap-4);
      }
      li {
        display: grid;
        justify-items: start;
        gap: 3px;
        padding-block: var(--gap-2);
        border-top: 1px solid var(--line);
        overflow-wrap: anywhere;
      }
    `,
  ];

  /** `image` is what is offered: a reference with a tag. */
  show(image: string): void {
    this.image = image;
    this.announced = undefined;
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    return html`<cl-dialog heading=${this.announced ? "Announced" : "Announce a version"} width="600px" ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${() => (this.open = false)}>
      ${this.announced ? this.renderAnnounced(this.announced) : this.renderForm()}
    </cl-dialog>`;
  }

  private renderForm(): TemplateResult {
    return html`<form @submit=${this.submit}>
        <p>The registry is asked for the tag's digest, and the workloads that follow the image roll it out. Announcing the same again changes nothing.</p>
        <cl-field label="Image" required mono hint="With the tag that is new. A pipeline does the same with cloudly image announce." .value=${this.image} violation=${this.sending.wrong("image")} @changed=${(event: CustomEvent<string>) => (this.image = event.detail)}></cl-field>
        <cl-problem .error=${this.sending.elsewhere(["image"])}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Asking the registry…" : "Announce"}</button>`;
  }

  private renderAnnounced({ digest = "", rollouts = [] }: Announced): TemplateResult {
    return html`<div class="came" role="status">
        <p><span class="mono">${this.image}</span> is <span class="mono">${shortDigest(digest)}</span>.</p>
        <ul aria-label="Workloads that follow the image">
          ${rollouts.map(({ workloadId, workloadName, outcome, reason }) => html`<li>
            <a href="/workloads/${workloadId}">${workloadName}</a>
            <cl-status .standing=${(outcome && OUTCOMES[outcome]) ?? { tone: "idle", label: "Unknown" }}></cl-status>
            ${reason ? html`<span class="muted">${sentence(reason)}.</span>` : ""}
          </li>`)}
        </ul>
      </div>
      <button slot="footer" type="button" class="primary" @click=${() => (this.open = false)}>Done</button>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    await this.sending.send(async () => {
      this.image = this.image.trim();
      this.announced = await this.announce(this.image);
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-announce-dialog": AnnounceDialog;
  }
}
