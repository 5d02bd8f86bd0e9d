// The dialogs by which second factors are added, confirmed and replaced; the account's page and the one for those who must
// enrol share them. Knows the API of one's own factors. Emits `enrolled` when a factor was added and its codes are kept.
import { html, LitElement, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import { beginPasskey, beginProof, beginTotp, confirmTotp, createPasskey } from "../../api/factors";
import type { Factors, Proof } from "../../api/records";
import { toast, toastError } from "../../elements/toasts";
import { makePasskey } from "../../state/passkeys";
import { client } from "../../state/world";
import { deviceName } from "../../text/device";
import type { CodesDialog } from "./codes-dialog";
import "./codes-dialog";
import type { Naming, PasskeyDialog } from "./passkey-dialog";
import "./passkey-dialog";
import type { ProofDialog, ProofQuestion } from "./proof-dialog";
import "./proof-dialog";
import type { TotpDialog } from "./totp-dialog";
import "./totp-dialog";

@customElement("cl-enrolment")
export class Enrolment extends LitElement {
  @query("cl-totp-dialog") private totpDialog!: TotpDialog;
  @query("cl-passkey-dialog") private passkeyDialog!: PasskeyDialog;
  @query("cl-codes-dialog") private codesDialog!: CodesDialog;
  @query("cl-proof-dialog") private proofDialog!: ProofDialog;

  override render(): TemplateResult {
    return html`<cl-totp-dialog .confirm=${async (code: string) => this.enrolled(await confirmTotp(client, code), "Logins now ask for a code of your authenticator app.")}></cl-totp-dialog>
      <cl-passkey-dialog></cl-passkey-dialog>
      <cl-codes-dialog></cl-codes-dialog>
      <cl-proof-dialog .challenge=${() => beginProof(client)}></cl-proof-dialog>`;
  }

  async addTotp(factors: Factors): Promise<void> {
    try {
      const secret = await this.proofDialog.proving(factors, (proof) => beginTotp(client, proof));
      if (secret) this.totpDialog.show(secret);
    } catch (error) {
      toastError(error);
    }
  }

  async addPasskey(factors: Factors): Promise<void> {
    try {
      const begun = await this.proofDialog.proving(factors, (proof) => beginPasskey(client, proof));
      if (!begun) return;
      this.name({
        heading: "Add a passkey",
        text: "With a passkey you log in by fingerprint, face, PIN or security key, without a password. Your browser asks where to keep it.",
        name: deviceName(navigator.userAgent),
        verb: "Create passkey",
        act: async (name) => {
          const credential = await makePasskey(begun.options);
          this.enrolled(await createPasskey(client, begun.challenge, credential, name), `You can log in with the passkey ${name} now.`);
        },
      });
    } catch (error) {
      toastError(error);
    }
  }

  /** Asks for a name of a passkey. */
  name(naming: Naming): void {
    this.passkeyDialog.show(naming);
  }

  /** Does with a proof what `question` asks for; resolves with whether it was done. */
  prove(factors: Factors, question: ProofQuestion): Promise<boolean> {
    return this.proofDialog.ask(factors, question);
  }

  /** Does at once what a fresh login may do, and with a proof where the login was a while ago; undefined where none was given. */
  proving<Done>(factors: Factors, act: (proof?: Proof) => Promise<Done>): Promise<Done | undefined> {
    return this.proofDialog.proving(factors, act);
  }

  /** Resolves when they are kept. */
  showCodes(codes: readonly string[]): Promise<void> {
    return this.codesDialog.show(codes);
  }

  private enrolled(codes: readonly string[], news: string): void {
    const kept = codes.length > 0 ? this.showCodes(codes) : Promise.resolve();
    void kept.then(() => {
      toast(news);
      this.dispatchEvent(new CustomEvent("enrolled"));
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-enrolment": Enrolment;
  }
}
