// Cloudly's own keys: the master keys that seal secrets at rest, and those that sign tokens. Listed, rotated, dropped.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import { lastRuns } from "../../api/executions";
import { dropPreviousMasterKeys, listMasterKeys, listSigningKeys, rotateMasterKey, rotateSigningKeys } from "../../api/keys";
import type { MasterKey, SigningKey } from "../../api/records";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import type { TaskRuns } from "../../elements/task-runs";
import "../../elements/task-runs";
import { toast } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { byService, dropped, droppedWith, earlierKeys, kept, masterKeyStanding, rotated, signingKeyStanding } from "./key-words";

@customElement("cl-key-page")
export class KeyPage extends LitElement {
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("#rotations") private rotations!: TaskRuns;
  @query("#drops") private drops!: TaskRuns;
  private readonly masterKeys = new Polled(this, async (signal) => (permissions.allows("keys.read") ? listMasterKeys(client, signal) : []));
  private readonly signingKeys = new Polled(this, async (signal) => (permissions.allows("keys.read") ? listSigningKeys(client, signal) : []));

  static override styles = [
    shared,
    css`
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: var(--gap-2);
      }
      .about {
        padding: var(--gap-3) var(--gap-4);
        border-bottom: 1px solid var(--line);
      }
      @media (max-width: 620px) {
        .panel > header {
          flex-wrap: wrap;
        }
      }
    `,
  ];

  override render(): TemplateResult {
    if (!permissions.allows("keys.read")) {
      return html`<cl-page heading="Keys">
        <div class="panel"><cl-empty symbol="shield" heading="You may not see the keys"><p>Ask an admin for a role that may read them, such as viewer.</p></cl-empty></div>
      </cl-page>`;
    }
    return html`<cl-page heading="Keys">
        <div class="stack">${this.renderMasterKeys()} ${this.renderSigningKeys()}</div>
      </cl-page>
      <cl-confirm></cl-confirm>`;
  }

  private renderMasterKeys(): TemplateResult {
    const { value, error } = this.masterKeys;
    const earlier = earlierKeys(value ?? []);
    return html`<section class="panel" aria-labelledby="master">
        <header>
          <h2 id="master">Master keys</h2>
          ${permissions.allows("keys.manage") && value
            ? html`<div class="actions">
                ${earlier.length > 0 && kept(value) ? html`<button type="button" class="compact" @click=${() => this.askToDrop(earlier)}>Drop earlier keys</button>` : nothing}
                <button type="button" class="compact" @click=${() => this.askToRotateMaster(value)}>Rotate<span class="visually-hidden"> the master key</span></button>
              </div>`
            : nothing}
        </header>
        <p class="about muted">They seal settings, authenticators, signing keys and logins of other registries in the databases. The current one seals; earlier ones open what they sealed until they are dropped.</p>
        ${error ? html`<div class="about"><cl-problem .error=${error}></cl-problem></div>` : nothing}
        ${value
          ? html`<cl-table label="Master keys" noun="key" .columns=${MASTER_COLUMNS} .rows=${value}></cl-table>`
          : html`<cl-empty symbol="wait" heading="Reading keys…" ?hidden=${error !== undefined}></cl-empty>`}
      </section>
      <section class="panel" aria-labelledby="rotations-heading">
        <header><h2 id="rotations-heading">Rotations of the master key</h2></header>
        <cl-task-runs id="rotations" .last=${(signal: AbortSignal) => lastRuns(client, "rotate-master-key", signal)} label="Rotations" empty="A rotation seals every secret anew with another key, while everything goes on." .kind=${() => "Rotation"} .summary=${rotated} @ended=${() => this.masterKeys.read()}></cl-task-runs>
      </section>
      <section class="panel" aria-labelledby="drops-heading">
        <header><h2 id="drops-heading">Dropped master keys</h2></header>
        <cl-task-runs id="drops" .last=${(signal: AbortSignal) => lastRuns(client, "drop-previous-master-keys", signal)} label="Drops" empty="A quarter of an hour after a rotation the earlier keys can be dropped." .kind=${() => "Drop"} .summary=${dropped} @ended=${() => this.masterKeys.read()}></cl-task-runs>
      </section>`;
  }

  private renderSigningKeys(): TemplateResult {
    const { value, error } = this.signingKeys;
    return html`<section class="panel" aria-labelledby="signing">
      <header>
        <h2 id="signing">Signing keys</h2>
        ${permissions.allows("keys.manage") && value
          ? html`<div class="actions"><button type="button" class="compact" @click=${this.askToRotateSigning}>Rotate<span class="visually-hidden"> the signing keys</span></button></div>`
          : nothing}
      </header>
      <p class="about muted">They sign the tokens of logins. The next one is published before it signs, and a rotation happens by itself once a month.</p>
      ${error ? html`<div class="about"><cl-problem .error=${error}></cl-problem></div>` : nothing}
      ${value
        ? html`<cl-table label="Signing keys" noun="key" .columns=${SIGNING_COLUMNS} .rows=${value.map((key) => ({ ...key, id: key.kid }))}></cl-table>`
        : html`<cl-empty symbol="wait" heading="Reading keys…" ?hidden=${error !== undefined}></cl-empty>`}
    </section>`;
  }

  private async askToRotateMaster(keys: readonly MasterKey[]): Promise<void> {
    await this.confirm.ask({
      heading: "Rotate the master key?",
      text: kept(keys)
        ? "Cloudly makes a new key, and all services seal their secrets anew with it. Everything goes on meanwhile, and the earlier key goes on opening what it sealed. Keep a copy of the keys file apart from the backups of the database."
        : `The keys come from the ${keys[0]?.source ?? "outside"}: put a new one in front of them first. All services then seal their secrets anew with it, and everything goes on meanwhile.`,
      verb: "Rotate",
      danger: false,
      act: async (key) => {
        await rotateMasterKey(client, key);
        toast("The rotation has begun. Its progress appears below.");
        await this.rotations.read();
      },
    });
  }

  private async askToDrop(earlier: readonly MasterKey[]): Promise<void> {
    await this.confirm.ask({
      heading: "Drop the earlier master keys?",
      text: "This cannot be undone. It is refused while a secret anywhere is sealed with one of them, and within a quarter of an hour after the rotation.",
      dies: droppedWith(earlier),
      verb: "Drop keys",
      typed: "drop",
      act: async (key) => {
        await dropPreviousMasterKeys(client, key);
        toast("The earlier keys are being dropped.");
        await this.drops.read();
      },
    });
  }

  private readonly askToRotateSigning = async (): Promise<void> => {
    await this.confirm.ask({
      heading: "Rotate the signing keys?",
      text: "The next key signs from now on, and another next one is made. Nobody is logged out: the key that signs now verifies until its last token has ended.",
      verb: "Rotate",
      danger: false,
      act: async (key) => {
        await rotateSigningKeys(client, key);
        toast("The next key signs now.");
        await this.signingKeys.read();
      },
    });
  };
}

const time = (at: string | undefined): TemplateResult => (at ? html`<cl-time class="muted" .at=${at}></cl-time>` : html`<span class="muted">–</span>`);

const MASTER_COLUMNS: readonly Column<MasterKey>[] = [
  { key: "id", title: "Key", width: "minmax(90px, 1.2fr)", render: ({ id }) => html`<span class="mono cut">${id}</span>` },
  { key: "state", title: "State", width: "110px", render: (key) => html`<cl-status .standing=${masterKeyStanding(key)}></cl-status>` },
  { key: "source", title: "From", width: "minmax(80px, 1fr)", hideBelow: 620, render: ({ source }) => (source ? source : html`<span class="muted">nowhere</span>`) },
  { key: "sealed", title: "Seals", width: "minmax(96px, 1.4fr)", render: ({ sealedValues, sealedValuesByService }) => html`<span class="row wrap"><span class="number">${sealedValues ?? 0}</span><span class="muted small">${byService(sealedValuesByService)}</span></span>` },
  { key: "retired", title: "Retired", width: "100px", hideBelow: 520, render: ({ retireTime }) => time(retireTime) },
];

const SIGNING_COLUMNS: readonly Column<SigningKey & { id: string }>[] = [
  { key: "kid", title: "Key", width: "minmax(90px, 1.2fr)", render: ({ kid }) => html`<span class="mono cut">${kid}</span>` },
  { key: "state", title: "State", width: "110px", render: (key) => html`<cl-status .standing=${signingKeyStanding(key)}></cl-status>` },
  { key: "active", title: "Signs since", width: "minmax(90px, 1fr)", hideBelow: 520, render: ({ activateTime }) => time(activateTime) },
  { key: "retired", title: "Retired", width: "minmax(80px, 1fr)", hideBelow: 620, render: ({ retireTime }) => time(retireTime) },
  { key: "expires", title: "Verifies until", width: "minmax(90px, 1fr)", render: ({ expireTime }) => time(expireTime) },
];

declare global {
  interface HTMLElementTagNameMap {
    "cl-key-page": KeyPage;
  }
}
