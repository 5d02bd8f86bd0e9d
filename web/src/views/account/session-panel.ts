// Where one is logged in, and ending that.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";

import type { LoginSession } from "../../api/records";
import { listSessions, revokeAllSessions, revokeSession } from "../../api/sessions";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, session } from "../../state/world";
import { shared } from "../../styles/shared";
import { deviceName } from "../../text/device";
import { count } from "../../text/format";
import { rows } from "./rows";

@customElement("cl-session-panel")
export class SessionPanel extends LitElement {
  private readonly sessions = new Polled<LoginSession[]>(this, (signal) => listSessions(client, signal));
  @query("cl-confirm") private confirm!: ConfirmDialog;

  static override styles = [
    shared,
    rows,
    css`
      header {
        flex-wrap: wrap;
      }
      .rows li {
        padding-inline: var(--gap-4);
      }
      .row {
        flex-wrap: wrap;
      }
    `,
  ];

  override render(): TemplateResult {
    const all = this.sessions.value ?? [];
    const others = all.filter(({ current }) => !current);
    return html`<section class="panel" aria-labelledby="sessions">
        <header>
          <h2 id="sessions">Sessions</h2>
          <div class="row">
            ${others.length > 0 ? html`<button type="button" class="compact" @click=${() => this.askToSignOutElsewhere(others)}>Sign out elsewhere</button>` : nothing}
            <button type="button" class="compact" @click=${this.askToSignOutEverywhere}>Sign out everywhere</button>
          </div>
        </header>
        <cl-problem .error=${this.sessions.error}></cl-problem>
        <ul class="rows" aria-label="Sessions">${repeat(all, ({ id }) => id, (one) => this.renderSession(one))}</ul>
      </section>
      <cl-confirm></cl-confirm>`;
  }

  async read(): Promise<void> {
    await this.sessions.read();
  }

  private renderSession(one: LoginSession): TemplateResult {
    const { userAgent, remoteAddress, current, lastUseTime, createTime, expireTime } = one;
    return html`<li>
      <div class="what">
        <div class="row"><strong title=${userAgent ?? ""}>${deviceName(userAgent)}</strong> ${current ? html`<cl-status .standing=${{ tone: "ok", label: "This one" }}></cl-status>` : nothing}</div>
        <p class="muted small"><span class="mono">${remoteAddress}</span> · last seen <cl-time .at=${lastUseTime}></cl-time> · logged in <cl-time .at=${createTime}></cl-time> · ends <cl-time .at=${expireTime}></cl-time></p>
      </div>
      ${current ? nothing : html`<button type="button" class="compact" aria-label="End the session ${where(one)}" @click=${() => this.askToEnd(one)}>${icon("logout", 13)} End</button>`}
    </li>`;
  }

  private async askToEnd(one: LoginSession): Promise<void> {
    await this.confirm.ask({
      heading: "End this session?",
      text: `Whoever uses ${where(one)} has to log in again.`,
      verb: "End session",
      act: async () => {
        await revokeSession(client, one);
        toast("The session was ended.");
        await this.read();
      },
    });
  }

  private async askToSignOutElsewhere(others: readonly LoginSession[]): Promise<void> {
    await this.confirm.ask({
      heading: "Sign out elsewhere?",
      text: "You stay logged in here. API tokens go on working.",
      dies: others.map(where),
      verb: `End ${count(others.length, "session")}`,
      act: async () => {
        await revokeAllSessions(client, true);
        toast("You are logged in only here now.");
        await this.read();
      },
    });
  }

  private async askToSignOutEverywhere(): Promise<void> {
    await this.confirm.ask({
      heading: "Sign out everywhere?",
      text: "All your sessions end, this one too, and logins that are half done. API tokens go on working.",
      verb: "Sign out everywhere",
      act: async () => {
        await revokeAllSessions(client, false);
        await session.logout();
      },
    });
  }
}

function where({ userAgent, remoteAddress }: LoginSession): string {
  const device = deviceName(userAgent);
  return remoteAddress ? `${device} at ${remoteAddress}` : device;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-session-panel": SessionPanel;
  }
}
