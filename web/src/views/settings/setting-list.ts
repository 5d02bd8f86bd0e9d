// All settings by provider: what is set, masked, by whom and when; for admins only.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import type { Setting, SettingUpdate } from "../../api/records";
import { testProvider } from "../../api/providers";
import { clearSetting, listSettings, updateSettings } from "../../api/settings";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import "./connection-test";
import type { SettingDialog } from "./setting-dialog";
import "./setting-dialog";
import { groups, label, type Group } from "./setting-form";

@customElement("cl-setting-list")
export class SettingList extends LitElement {
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-setting-dialog") private editing!: SettingDialog;
  private readonly settings = new Polled(this, async (signal) => (permissions.allows("settings.manage") ? listSettings(client, signal) : []));

  static override styles = [
    shared,
    css`
      .groups {
        columns: 420px 2;
        column-gap: var(--gap-4);
      }
      .groups > section {
        margin-bottom: var(--gap-4);
        break-inside: avoid;
      }
      h2.part {
        margin-top: var(--gap-3);
      }
      li {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 1px var(--gap-3);
        align-items: center;
        padding: 10px var(--gap-4);
      }
      li + li {
        border-top: 1px solid var(--line);
      }
      li > * {
        min-width: 0;
        overflow-wrap: anywhere;
      }
      li .about {
        grid-column: 1 / -1;
      }
      .value {
        display: -webkit-box;
        overflow: hidden;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 3;
        line-clamp: 3;
      }
      .buttons {
        display: flex;
        gap: var(--gap-2);
      }
    `,
  ];

  override render(): TemplateResult {
    if (!permissions.allows("settings.manage")) {
      return html`<cl-page heading="Settings">
        <div class="panel"><cl-empty symbol="settings" heading="Settings are for admins"><p>They hold the credentials of providers. Ask an admin to change them, or to give you the role.</p></cl-empty></div>
      </cl-page>`;
    }
    const all = groups(this.settings.value ?? []);
    return html`<cl-page heading="Settings">
        <div class="stack">
          <p class="muted">Credentials of providers, kept sealed. Secrets are never shown again, only their last four characters. The services that use a setting hear of every change at once.</p>
          <cl-problem .error=${this.settings.error}></cl-problem>
          ${this.settings.value
            ? html`<div class="groups">${all.filter(({ used }) => used).map((group) => this.renderGroup(group))}</div>
                <h2 class="part">Kept for later</h2>
                <p class="muted">Cloudly does not work with these providers yet; their credentials can be kept here already, and not be tested.</p>
                <div class="groups">${all.filter(({ used }) => !used).map((group) => this.renderGroup(group))}</div>`
            : html`<div class="panel" ?hidden=${this.settings.error !== undefined}><cl-empty symbol="wait" heading="Reading settings…"></cl-empty></div>`}
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-setting-dialog
        .save=${async (updates: readonly SettingUpdate[]) => {
          await updateSettings(client, updates);
          toast("Settings were saved.");
          await this.settings.read();
        }}
      ></cl-setting-dialog>`;
  }

  private renderGroup(group: Group): TemplateResult {
    return html`<section class="panel" aria-labelledby=${`group-${group.provider}`}>
      <header>
        <h2 id=${`group-${group.provider}`}>${group.title}</h2>
        ${group.set ? html`<cl-status .standing=${{ tone: "ok", label: "Set" }}></cl-status>` : nothing}
        <div class="buttons">
          <button type="button" class="compact" aria-label=${`Edit the settings of ${group.title}`} @click=${() => this.editing.show(group)}>${icon("edit", 13)} Edit</button>
        </div>
      </header>
      <ul>
        ${group.settings.map((setting) => this.renderSetting(setting))}
      </ul>
      ${group.testable
        ? html`<cl-connection-test
            label=${group.title}
            hindrance=${group.set ? "" : "Nothing is set yet: there is nothing to test."}
            version=${group.settings.map(({ etag }) => etag).join(" ")}
            .test=${() => testProvider(client, group.provider)}
          ></cl-connection-test>`
        : nothing}
    </section>`;
  }

  private renderSetting(setting: Setting): TemplateResult {
    const { key, set, value, changeTime, changedBy, description } = setting;
    return html`<li>
      <strong title=${key}>${label(setting)}</strong>
      ${set ? html`<button type="button" class="compact quiet" aria-label=${`Clear ${key}`} @click=${() => void this.askToClear(setting)}>Clear</button>` : html`<span></span>`}
      <span class="about">${set ? html`<span class="mono value">${value}</span>` : html`<span class="muted">not set</span>`}</span>
      <span class="about muted small">${changeTime ? html`${set ? "Set" : "Cleared"} by ${changedBy} <cl-time .at=${changeTime}></cl-time>` : description}</span>
    </li>`;
  }

  private async askToClear(setting: Setting): Promise<void> {
    const owners = setting.owners ?? [];
    await this.confirm.ask({
      heading: `Clear ${setting.key}?`,
      text: "Nothing of the value is kept. To use the provider again, it has to be entered anew.",
      ...(owners.length > 0 ? { dies: [`What ${owners.join(" and ")} does with it`] } : {}),
      verb: "Clear setting",
      act: async () => {
        await clearSetting(client, setting);
        toast(`${setting.key} was cleared.`);
        await this.settings.read();
      },
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-setting-list": SettingList;
  }
}
