// The overview: live numbers of the fleet, and what needs the reader.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";

import "../../elements/empty-state";
import { icon, type IconName } from "../../elements/icon";
import "../../elements/page";
import "../../elements/relative-time";
import "../../elements/status-pill";
import "../../elements/watch-state";
import { Watching } from "../../state/collection";
import { needs, type Need } from "../../state/needs";
import { deploymentStanding, isOnline, workloadStanding } from "../../state/standing";
import { clusters, deployments, images, permissions, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, count, sentence } from "../../text/format";

interface Part {
  words: string;
  tone: "ok" | "busy" | "warn" | "bad" | "idle";
}

const SHOWN_NEEDS = 50;

@customElement("cl-overview")
export class Overview extends LitElement {
  private readonly collections = [clusters, workloads, deployments, images];
  protected readonly watching = new Watching(this, this.collections);

  static override styles = [
    shared,
    css`
      .tiles {
        display: grid;
        grid-template-columns: repeat(4, minmax(0, 1fr));
        gap: var(--gap-4);
        margin-bottom: var(--gap-4);
      }
      .tile {
        display: grid;
        gap: 2px;
        padding: var(--gap-4);
        color: var(--text);
      }
      a.tile:hover {
        border-color: var(--line-strong);
        text-decoration: none;
      }
      .tile .name {
        display: flex;
        align-items: center;
        gap: var(--gap-2);
        color: var(--text-muted);
        font-weight: 550;
      }
      .tile .figure {
        font-size: 1.9rem;
        font-weight: 620;
        letter-spacing: -0.02em;
        line-height: 1.25;
      }
      .tile .figure small {
        font-size: var(--size-large);
        font-weight: 450;
        letter-spacing: 0;
        color: var(--text-muted);
      }
      .parts {
        display: flex;
        flex-wrap: wrap;
        gap: 2px var(--gap-3);
        min-height: 20px;
        font-size: var(--size-small);
        font-weight: 500;
      }
      .parts .ok {
        color: var(--ok);
      }
      .parts .busy {
        color: var(--busy);
      }
      .parts .warn {
        color: var(--warn);
      }
      .parts .bad {
        color: var(--bad);
      }
      .parts .idle {
        color: var(--text-muted);
        font-weight: 400;
      }
      .need {
        display: grid;
        grid-template-columns: 164px minmax(110px, 190px) minmax(0, 1fr) 84px 13px;
        gap: 2px var(--gap-4);
        align-items: center;
        padding: 10px var(--gap-4);
        color: var(--text);
      }
      li + li .need {
        border-top: 1px solid var(--line);
      }
      .need:hover {
        background: var(--hover);
        text-decoration: none;
      }
      .need .subject {
        display: flex;
        align-items: center;
        gap: 7px;
        font-weight: 570;
      }
      .need .subject svg,
      .need > svg {
        color: var(--text-muted);
      }
      .need .why {
        color: var(--text-muted);
        overflow-wrap: anywhere;
      }
      .need .since {
        text-align: end;
      }
      ol.steps {
        display: grid;
        gap: var(--gap-3);
        text-align: start;
        counter-reset: step;
      }
      ol.steps li {
        counter-increment: step;
        display: flex;
        gap: 10px;
      }
      ol.steps li::before {
        content: counter(step);
        flex: none;
        display: grid;
        place-items: center;
        width: 20px;
        height: 20px;
        border-radius: 50%;
        background: var(--accent-quiet);
        color: var(--accent);
        font-size: var(--size-small);
        font-weight: 600;
      }
      @media (max-width: 1080px) {
        .tiles {
          grid-template-columns: repeat(2, minmax(0, 1fr));
        }
        .need {
          grid-template-columns: max-content minmax(0, 1fr);
        }
        .need .subject {
          justify-self: end;
          max-width: 100%;
        }
        .need .why {
          grid-column: 1 / -1;
        }
        .need .since {
          text-align: start;
        }
        .need > svg {
          display: none;
        }
      }
      @media (max-width: 480px) {
        .tiles {
          gap: var(--gap-2);
        }
        .tile {
          padding: var(--gap-3);
        }
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<cl-page heading="Overview">
      <cl-watch-state slot="actions" .collections=${this.collections}></cl-watch-state>
      <div class="tiles">${this.clustersTile()}${this.workloadsTile()}${this.deploymentsTile()}${this.imagesTile()}</div>
      ${clusters.whole && clusters.items.size === 0 ? this.renderFirstSteps() : this.renderNeeds()}
    </cl-page>`;
  }

  private clustersTile(): TemplateResult {
    const all = clusters.all();
    const online = all.filter(isOnline).length;
    const awaited = all.filter(({ agentState }) => agentState !== "AGENT_STATE_ONLINE" && agentState !== "AGENT_STATE_OFFLINE").length;
    return tile("Clusters online", "cluster", "/clusters", clusters.whole, online, all.length, [
      part(all.length - online - awaited, "offline", "bad"),
      part(awaited, "awaiting agent", "warn"),
      all.length > 0 && online === all.length ? { words: "all online", tone: "idle" } : undefined,
    ]);
  }

  private workloadsTile(): TemplateResult {
    const tones = workloads.all().map((workload) => workloadStanding(workload).tone);
    const of = (...wanted: string[]): number => tones.filter((tone) => wanted.includes(tone)).length;
    return tile("Workloads ready", "workload", "/workloads", workloads.whole, of("ok", "idle"), tones.length, [
      part(of("bad", "warn"), "not ready", "bad"),
      part(of("wait"), "waiting", "warn"),
      part(of("busy"), "changing", "busy"),
      tones.length > 0 && of("ok", "idle") === tones.length ? { words: "all as wished", tone: "idle" } : undefined,
    ]);
  }

  private deploymentsTile(): TemplateResult {
    const tones = deployments.all().map((deployment) => deploymentStanding(deployment).tone);
    const of = (wanted: string): number => tones.filter((tone) => tone === wanted).length;
    return tile("Deployments running", "deployment", "/deployments", deployments.whole, of("ok"), undefined, [
      part(of("bad"), "failed or unhealthy", "bad"),
      part(of("busy"), "changing", "busy"),
      part(of("idle"), "stopped", "idle"),
    ]);
  }

  private imagesTile(): TemplateResult {
    const all = images.all();
    const versions = all.reduce((sum, { versionCount }) => sum + (versionCount ?? 0), 0);
    const size = all.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes ?? 0), 0);
    return tile("Images", "image", "/images", images.whole, all.length, undefined, [
      all.length > 0 ? { words: `${count(versions, "version")}, ${bytes(size)}`, tone: "idle" } : undefined,
    ]);
  }

  private renderNeeds(): TemplateResult {
    const whole = clusters.whole && workloads.whole;
    const list = needs(clusters.all(), workloads.all(), deployments.all());
    return html`<section class="panel" aria-labelledby="needs">
      <header><h2 id="needs">What needs you</h2>${list.length > 0 ? html`<span class="muted small number">${list.length}</span>` : nothing}</header>
      ${!whole
        ? html`<cl-empty symbol="wait" heading="Reading the fleet…"></cl-empty>`
        : list.length === 0
          ? html`<cl-empty symbol="check" heading="Nothing needs you">Every cluster is connected and every workload runs as wished.</cl-empty>`
          : html`<ul>${repeat(list.slice(0, SHOWN_NEEDS), ({ key }) => key, renderNeed)}</ul>
              ${list.length > SHOWN_NEEDS ? html`<p class="muted small body">and ${list.length - SHOWN_NEEDS} more; the lists show all.</p>` : nothing}`}
    </section>`;
  }

  private renderFirstSteps(): TemplateResult {
    return html`<section class="panel">
      <cl-empty symbol="cluster" heading="No cluster yet">
        <ol class="steps">
          <li>Create a cluster here and take its jump code.</li>
          <li>Start the agent with it on a Docker Swarm manager; the cluster turns to online by itself.</li>
          <li>Create a workload and push an image to its registry target. The push is the deployment.</li>
        </ol>
        ${permissions.allows("clusters.write") ? html`<a class="button primary" href="/clusters?create">Create the first cluster</a>` : nothing}
      </cl-empty>
    </section>`;
  }
}

function renderNeed(need: Need): TemplateResult {
  return html`<li>
    <a class="need" href=${need.href}>
      <span><cl-status .standing=${{ tone: need.tone, label: need.title }}></cl-status></span>
      <span class="subject">${icon(need.kind, 14)}<span class="cut">${need.subject}</span></span>
      <span class="why">${sentence(need.detail)}</span>
      <cl-time class="muted small since" .at=${need.since}></cl-time>
      ${icon("right", 13)}
    </a>
  </li>`;
}

function tile(name: string, symbol: IconName, href: string, whole: boolean, figure: number, total: number | undefined, parts: (Part | undefined)[]): TemplateResult {
  return html`<a class="panel tile" href=${href}>
    <span class="name">${icon(symbol)}${name}</span>
    <span class="figure number">${whole ? figure.toLocaleString("en") : "–"}${whole && total !== undefined ? html`<small> of ${total.toLocaleString("en")}</small>` : nothing}</span>
    <span class="parts number">${whole ? parts.map((one) => (one ? html`<span class=${one.tone}>${one.words}</span>` : nothing)) : nothing}</span>
  </a>`;
}

function part(number: number, words: string, tone: Part["tone"]): Part | undefined {
  return number > 0 ? { words: `${number.toLocaleString("en")} ${words}`, tone } : undefined;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-overview": Overview;
  }
}
