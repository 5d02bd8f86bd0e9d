// Asks the owner of the account to prove again that it is them, and does with the proof what it is asked for.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { ApiError } from "../../api/errors";
import type { Factors, PasskeyChallenge, Proof } from "../../api/records";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import { passkeysWork, usePasskey } from "../../state/passkeys";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { proofWays, wantsProof, type ProofWay } from "./proof";

export interface ProofQuestion {
  heading: string;
  /** What happens, in a sentence. */
  text: string;
  /** The verb on the button: "Remove passkey". */
  verb: string;
  danger?: boolean;
  /** Done while the dialog is open; a failure is shown in it and can be tried again. */
  act: (proof: Proof) => Promise<void>;
}

const INSTEAD: Record<ProofWay, string> = { password: "Use the password", code: "Use a code", passkey: "Use a passkey" };

@customElement("cl-proof-dialog")
export class ProofDialog extends LitElement {
  /** A challenge for a passkey. */
  @property({ attribute: false }) challenge!: () => Promise<PasskeyChallenge>;
  @state() private question: ProofQuestion | undefined;
  @state() private ways: readonly ProofWay[] = [];
  @state() private way: ProofWay | undefined;
  @state() private open = false;
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;
  @query("#go") private button!: HTMLButtonElement;
  private decided: (done: boolean) => void = () => undefined;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
      }
      .others {
        display: flex;
        flex-wrap: wrap;
        gap: var(--gap-2);
      }
    `,
  ];

  /** Resolves with whether it was done. */
  ask(factors: Factors, question: ProofQuestion): Promise<boolean> {
    this.decided(false);
    this.question = question;
    this.ways = proofWays(factors, passkeysWork());
    this.way = this.ways[0];
    this.sending.begin();
    this.open = true;
    return new Promise((resolve) => (this.decided = resolve));
  }

  /** Does what a fresh login may do without a proof, and asks for one where the login was a while ago. */
  async proving<Done>(factors: Factors, act: (proof?: Proof) => Promise<Done>): Promise<Done | undefined> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof ApiError && wantsProof(error))) throw error;
    }
    let done: Done | undefined;
    await this.ask(factors, {
      heading: "Confirm that it is you",
      text: "You logged in a while ago, and this changes how you log in.",
      verb: "Continue",
      danger: false,
      act: async (proof) => void (done = await act(proof)),
    });
    return done;
  }

  override render(): TemplateResult | typeof nothing {
    const { question, way } = this;
    if (!question) return nothing;
    const verb = way === "passkey" ? html`${icon("passkey")} ${question.verb} with a passkey` : question.verb;
    return html`<cl-dialog heading=${question.heading} ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.focusWay()} @closed=${this.closed}>
      <form @submit=${this.submit}>
        <p>${question.text}</p>
        ${this.renderWay()}
        ${this.ways.length > 1
          ? html`<div class="others" role="group" aria-label="Other ways to confirm">
              ${this.ways.filter((other) => other !== way).map((other) => html`<button type="button" class="compact" ?disabled=${this.sending.busy} @click=${() => this.choose(other)}>${INSTEAD[other]}</button>`)}
            </div>`
          : nothing}
        <cl-problem .error=${this.wrong === "" || way === "passkey" ? this.sending.error : undefined}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button id="go" slot="footer" type="button" class=${question.danger === false ? "primary" : "danger"} ?disabled=${this.sending.busy || !way} @click=${this.submit}>${this.sending.busy ? "Working…" : verb}</button>
    </cl-dialog>`;
  }

  private renderWay(): TemplateResult | typeof nothing {
    const wrong = this.wrong;
    switch (this.way) {
      case "password":
        return html`<cl-field label="Your password" type="password" autocomplete="current-password" violation=${wrong}></cl-field>`;
      case "code":
        return html`<cl-field label="Code" mono autocomplete="one-time-code" hint="Of your authenticator app, or one of your recovery codes." violation=${wrong}></cl-field>`;
      case "passkey":
        return nothing;
      default:
        return html`<p>Nothing on this account can confirm it at this browser. Log out and in again: shortly after a login it is not asked for.</p>`;
    }
  }

  /** What is wrong with the proof itself. */
  private get wrong(): string {
    const { error, violations } = this.sending;
    return error && wantsProof(error) ? [...violations.values()].join("; ") : "";
  }

  private choose(way: ProofWay): void {
    this.way = way;
    this.sending.begin();
    void this.updateComplete.then(() => this.focusWay());
  }

  private focusWay(): void {
    (this.field ?? this.button).focus();
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { question, way } = this;
    const said = this.field?.value.trim() ?? "";
    if (!question || !way || this.sending.busy) return;
    if (way !== "passkey" && said === "") {
      this.focusWay();
      return;
    }
    if (await this.sending.send(async () => question.act(await this.proof(way, said)))) {
      this.decided(true);
      this.open = false;
      return;
    }
    // A code works once, and a wrong password is not mended letter by letter.
    if (this.field) this.field.value = "";
    void this.updateComplete.then(() => this.focusWay());
  }

  private async proof(way: ProofWay, said: string): Promise<Proof> {
    if (way === "password") return { password: said };
    if (way === "code") return { code: said };
    const { challenge, options } = await this.challenge();
    return { passkey: { challenge, credential: await usePasskey(options) } };
  }

  private closed(): void {
    this.open = false;
    this.question = undefined;
    this.decided(false);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-proof-dialog": ProofDialog;
  }
}
