// The signatures that a cluster demands of all its workloads. Knows no backend; gets a callback.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { Cluster, ClusterSignaturePolicy } from "../../api/records";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import type { Row, RowColumn } from "../../elements/row-editor";
import "../../elements/row-editor";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { keyViolation, pemBlocks, pemText } from "../../text/pem";
import { cellViolations } from "../../text/violations";

const DEMANDS = [
  { value: "no", label: "As each workload has it" },
  { value: "yes", label: "Demanded of all workloads" },
];
const PATTERNS: readonly RowColumn[] = [{ key: "pattern", label: "Image pattern", placeholder: "docker.io/library/*", mono: true }];
const KEYS = "signaturePolicy.publicKeys";
const ALLOWED = "signaturePolicy.allowedImages";

@customElement("cl-signature-dialog")
export class SignatureDialog extends LitElement {
  @property({ attribute: false }) save!: (cluster: Cluster, policy: ClusterSignaturePolicy) => Promise<void>;
  @state() private cluster: Cluster | undefined;
  @state() private demanded = "no";
  @state() private publicKeys = "";
  @state() private allowed: readonly Row[] = [];
  @state() private open = false;
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
      }
      .group {
        display: grid;
        gap: var(--gap-2);
      }
    `,
  ];

  show(cluster: Cluster): void {
    const { required, publicKeys = [], allowedImages = [] } = cluster.signaturePolicy ?? {};
    this.cluster = cluster;
    this.demanded = required ? "yes" : "no";
    this.publicKeys = pemText(publicKeys);
    this.allowed = allowedImages.map((pattern) => ({ pattern }));
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const { violations } = this.sending;
    return html`<cl-dialog heading=${`Signatures in ${this.cluster?.name ?? ""}`} width="600px" ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${() => (this.open = false)}>
      <form @submit=${this.submit}>
        <cl-field label="Signatures" type="select" .choices=${DEMANDS} .value=${this.demanded} hint="A workload may demand more, and never less. What runs already goes on." @changed=${(event: CustomEvent<string>) => (this.demanded = event.detail)}></cl-field>
        <cl-field
          label="Keys that are trusted"
          type="textarea"
          mono
          rows="5"
          placeholder="-----BEGIN PUBLIC KEY-----"
          hint="PEM, as cosign.pub holds one; several below each other. One of them has to have signed."
          .value=${this.publicKeys}
          violation=${keyViolation(violations, KEYS)}
          @changed=${(event: CustomEvent<string>) => (this.publicKeys = event.detail)}
        ></cl-field>
        <div class="group">
          <cl-rows label="Images from elsewhere that may run" noun="pattern" .columns=${PATTERNS} .rows=${this.allowed} violation=${this.sending.wrong(ALLOWED)} .violations=${cellViolations(violations, ALLOWED, "pattern")} @rows-changed=${(event: CustomEvent<readonly Row[]>) => (this.allowed = event.detail)}></cl-rows>
          <p class="muted small">Their signatures cannot be verified here, so without a pattern none may. <code>*</code> stands for anything, slashes too.</p>
        </div>
        <cl-problem .error=${this.sending.elsewhere([KEYS, ALLOWED])}>${this.sending.error?.stale ? html`<p>Somebody else has changed the cluster. Close this, look at what it is now, and try again.</p>` : ""}</cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Saving…" : "Save"}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { cluster } = this;
    if (!cluster) return;
    // Rows that hold nothing are not sent; without them the server counts the rows as they are shown.
    this.allowed = this.allowed.filter(({ pattern = "" }) => pattern.trim() !== "");
    const policy = {
      required: this.demanded === "yes",
      publicKeys: pemBlocks(this.publicKeys),
      allowedImages: this.allowed.map(({ pattern = "" }) => pattern.trim()),
    };
    if (await this.sending.send(() => this.save(cluster, policy))) this.open = false;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-signature-dialog": SignatureDialog;
  }
}
