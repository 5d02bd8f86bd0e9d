// One version of an image: its platforms, how each was built and what it runs, what is signed and attested, who uses it.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import { deleteImageVersion, getImageVersion, tagImage, untagImage } from "../../api/images";
import type { Image, ImageManifest, ListedVersion, VersionDetails } from "../../api/records";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { client, clusters, images, permissions, workloads } from "../../state/world";
import { columns } from "../../styles/columns";
import { shared } from "../../styles/shared";
import { bytes, count, shortDigest } from "../../text/format";
import type { TagDialog } from "./tag-dialog";
import "./tag-dialog";
import "./version-config";
import { askToDelete } from "./version-delete";
import { aboutVersion, demandsOn, kindOf, nameOf, partName, pullLine, runnable, stepsOf } from "./version-facts";
import "./version-signature";
import "./version-steps";

@customElement("cl-version-page")
export class VersionPage extends LitElement {
  @property({ attribute: false }) imageId = "";
  /** A tag or a digest. */
  @property({ attribute: false }) reference = "";
  @state() private details: VersionDetails | undefined;
  @state() private error: ApiError | undefined;
  /** The digest of the part that is looked at. */
  @state() private chosen = "";
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-tag-dialog") private tagging!: TagDialog;
  protected readonly watching = new Watching(this, [images, workloads, clusters]);
  private readOf = "";
  private reading: AbortController | undefined;

  static override styles = [
    shared,
    columns,
    css`
      .parts {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
        padding: var(--gap-3) var(--gap-4);
        border-bottom: 1px solid var(--line);
      }
      .parts [aria-pressed="true"] {
        border-color: var(--accent);
        background: var(--accent-quiet);
        color: var(--accent);
      }
      .tags {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
      }
      .tag {
        display: inline-flex;
        align-items: center;
        gap: 2px;
        max-width: 100%;
        padding-inline: 8px;
        border-radius: 99px;
        background: var(--idle-quiet);
        font-family: var(--mono);
        overflow-wrap: anywhere;
      }
      .tag button {
        margin-inline-end: -6px;
        height: 22px;
        width: 22px;
      }
      .about li {
        display: grid;
        grid-template-columns: minmax(90px, max-content) minmax(0, 1fr) max-content;
        gap: 2px var(--gap-4);
        align-items: baseline;
        padding: 9px var(--gap-4);
        border-bottom: 1px solid var(--line);
      }
      .about li:last-child {
        border-bottom: 0;
      }
      .about span {
        overflow-wrap: anywhere;
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.reading?.abort();
    this.readOf = "";
  }

  protected override updated(changes: PropertyValues<this>): void {
    if (changes.has("reference") || changes.has("imageId")) this.chosen = "";
    // A push, a tag or a deletion gives the image a new etag; a pin does not, and is read with the page.
    const wanted = `${this.imageId} ${this.reference} ${images.get(this.imageId)?.etag ?? ""}`;
    if (wanted === this.readOf || (!images.whole && this.readOf !== "")) return;
    this.readOf = wanted;
    void this.read();
  }

  override render(): TemplateResult {
    const image = images.get(this.imageId);
    const crumbs = [{ label: "Images", href: "/images" }, ...(image ? [{ label: image.repository ?? image.name, href: `/images/${image.id}` }] : [])];
    const { details, error } = this;
    if (error || !details || !image) {
      return html`<cl-page heading=${error?.notFound ? "No such version" : "Version"} .crumbs=${crumbs}>
        <div class="panel">
          ${error?.notFound
            ? html`<cl-empty symbol="image" heading="This version does not exist (any more)"><p>What was deleted can be restored for some days, under Deleted on the image's page.</p><a class="button" href="/images/${this.imageId}">Open the image</a></cl-empty>`
            : error
              ? html`<cl-problem .error=${error}></cl-problem>`
              : html`<cl-empty symbol="wait" heading="Reading the version…"></cl-empty>`}
        </div>
      </cl-page>`;
    }
    const { version } = details;
    const parts = runnable(details.manifests ?? []);
    const part = parts.find(({ digest }) => digest === this.chosen) ?? parts[0];
    return html`<cl-page heading=${nameOf(version)} .crumbs=${crumbs}>
        ${version.pinnedBy?.length ? html`<cl-status slot="status" .standing=${{ tone: "ok", label: "In use" }}></cl-status>` : nothing}
        ${permissions.allows("images.write")
          ? html`<button slot="actions" type="button" @click=${() => this.askToDelete(image, version)}>${icon("trash")} Delete</button>
              <button slot="actions" type="button" class="primary" @click=${() => this.tagging.show()}>${icon("plus")} Add tag</button>`
          : nothing}
        <div class="columns">
          <div class="stack">
            ${this.renderBuild(parts, part, details.manifestCount ?? parts.length)}
            ${part?.config ? html`<section class="panel" aria-labelledby="config"><header><h2 id="config">Configuration</h2></header><div class="body"><cl-version-config .config=${part.config}></cl-version-config></div></section>` : nothing}
            ${this.renderAbout(details)}
          </div>
          <div class="stack">${this.renderPull(image, version)}${this.renderSignature(image, version, parts)}${this.renderUse(version)}${this.renderFacts(details)}</div>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-tag-dialog version=${nameOf(version)} .tag=${(tag: string) => this.addTag(version, tag)}></cl-tag-dialog>`;
  }

  private renderBuild(parts: readonly ImageManifest[], part: ImageManifest | undefined, total: number): TemplateResult | typeof nothing {
    if (!part) return nothing;
    const steps = stepsOf(part);
    return html`<section class="panel" aria-labelledby="layers">
      <header><h2 id="layers">Layers</h2><span class="muted number">${count((part.layers ?? []).length, "layer")}, ${bytes(part.sizeBytes)}</span></header>
      ${parts.length > 1
        ? html`<div class="parts" role="group" aria-label="Platform">
            ${parts.map((one) => html`<button type="button" class="compact" aria-pressed=${one === part} @click=${() => (this.chosen = one.digest)}>${partName(one)}</button>`)}
            ${total > 50 ? html`<span class="muted">the first 50 of ${total} parts</span>` : nothing}
          </div>`
        : nothing}
      ${part.present === true ? (steps.length === 0 ? html`<cl-empty symbol="image" heading="No layers"></cl-empty>` : html`<cl-version-steps .steps=${steps}></cl-version-steps>`) : html`<cl-empty symbol="warning" heading="This part is not in the registry">The index names it, but it was never pushed here or was deleted.</cl-empty>`}
    </section>`;
  }

  private renderAbout({ referrers, manifests }: VersionDetails): TemplateResult | typeof nothing {
    const about = aboutVersion(referrers ?? [], manifests ?? []);
    if (about.length === 0) return nothing;
    return html`<section class="panel" aria-labelledby="about">
      <header><h2 id="about">Signatures, SBOMs and attestations</h2></header>
      <ul class="about">
        ${about.map(({ id, what, type, sizeBytes, of }) => html`<li>
          <a href="/images/${this.imageId}/versions/${id}">${what}</a>
          <span>${type}${of === "" ? nothing : html` <span class="muted">of ${of}</span>`}</span>
          <span class="muted number">${bytes(sizeBytes)}</span>
        </li>`)}
      </ul>
    </section>`;
  }

  private renderSignature(image: Image, { digest }: ListedVersion, parts: readonly ImageManifest[]): TemplateResult | typeof nothing {
    // Of what does not run, such as a signature itself, nobody demands one.
    if (parts.length === 0) return nothing;
    const workload = workloads.get(image.workloadId ?? "");
    const demands = demandsOn(workload, workload && clusters.get(workload.clusterId));
    return html`<cl-version-signature .imageId=${image.id} .digest=${digest} .etag=${image.etag ?? ""} .demands=${demands}></cl-version-signature>`;
  }

  private renderPull({ target = "" }: Image, { digest, tags }: ListedVersion): TemplateResult {
    return html`<section class="panel" aria-labelledby="pull">
      <header><h2 id="pull">Pull</h2></header>
      <div class="body stack">
        ${tags?.[0] ? html`<cl-copy label="pull command by tag" value=${pullLine(target, tags[0])}></cl-copy>` : nothing}
        <cl-copy label="pull command by digest" value=${pullLine(target, digest)}></cl-copy>
      </div>
    </section>`;
  }

  private renderUse({ digest, pinnedBy }: ListedVersion): TemplateResult | typeof nothing {
    const running = workloads.all().filter(({ imageDigest, status }) => imageDigest === digest || status?.runningDigest === digest);
    if (!pinnedBy?.length && running.length === 0) return nothing;
    return html`<section class="panel" aria-labelledby="use">
      <header><h2 id="use">Used by</h2></header>
      <div class="body">
        <dl class="facts">
          ${running.length > 0 ? html`<dt>Workloads</dt><dd>${running.map(({ id, name }) => html`<div><a href="/workloads/${id}">${name}</a></div>`)}</dd>` : nothing}
          ${pinnedBy?.length ? html`<dt>Kept for</dt><dd>${pinnedBy.map((id) => html`<div><a href="/clusters/${id}">${clusters.get(id)?.name ?? id}</a></div>`)}<span class="muted small">runs it, or could roll back to it</span></dd>` : nothing}
        </dl>
      </div>
    </section>`;
  }

  private renderFacts({ version, partOf }: VersionDetails): TemplateResult {
    const writes = permissions.allows("images.write");
    const annotations = Object.entries(version.annotations ?? {});
    return html`<section class="panel" aria-labelledby="facts">
      <header><h2 id="facts">Facts</h2></header>
      <div class="body">
        <dl class="facts">
          <dt>Tags</dt>
          <dd>
            ${version.tags?.length
              ? html`<span class="tags">${version.tags.map((tag) => html`<span class="tag">${tag}${writes ? html`<button type="button" class="quiet icon-only" aria-label=${`Take the tag ${tag} away`} @click=${() => this.untag(version, tag)}>${icon("cross", 11)}</button>` : nothing}</span>`)}</span>`
              : html`<span class="muted">none</span>`}
          </dd>
          <dt>Digest</dt>
          <dd><cl-copy inline label="digest" value=${version.digest} display=${shortDigest(version.digest)}></cl-copy></dd>
          <dt>What</dt>
          <dd>${kindOf(version)}</dd>
          ${version.platforms?.length ? html`<dt>Platforms</dt><dd>${version.platforms.join(", ")}</dd>` : nothing}
          <dt>Size</dt>
          <dd class="number">${bytes(version.sizeBytes)}</dd>
          <dt>Media type</dt>
          <dd class="mono">${version.mediaType}</dd>
          ${version.kind === "IMAGE_VERSION_KIND_ARTIFACT" && version.artifactType ? html`<dt>Artifact type</dt><dd class="mono">${version.artifactType}</dd>` : nothing}
          ${version.pushTime ? html`<dt>Pushed</dt><dd><cl-time .at=${version.pushTime}></cl-time>${version.pushedBy ? ` by ${version.pushedBy}` : ""}</dd>` : nothing}
          ${partOf?.length ? html`<dt>Part of</dt><dd>${partOf.map((digest) => html`<div><a class="mono" href="/images/${this.imageId}/versions/${digest}">${shortDigest(digest)}</a></div>`)}</dd>` : nothing}
          ${version.subject ? html`<dt>About</dt><dd><a class="mono" href="/images/${this.imageId}/versions/${version.subject}">${shortDigest(version.subject)}</a></dd>` : nothing}
          ${annotations.length > 0 ? html`<dt>Annotations</dt><dd>${annotations.map(([name, value]) => html`<div><code>${`${name}=${value}`}</code></div>`)}</dd>` : nothing}
        </dl>
      </div>
    </section>`;
  }

  private async addTag({ digest }: ListedVersion, tag: string): Promise<void> {
    await tagImage(client, this.imageId, digest, tag);
    toast(`${tag} points to this version now.`);
    await this.read();
  }

  private async untag({ digest }: ListedVersion, tag: string): Promise<void> {
    const done = await this.confirm.ask({
      heading: `Take the tag ${tag} away?`,
      text: "The version stays and can be pulled by its digest. A version without tags is collected after a while, unless a cluster needs it; until then it can be tagged again.",
      dies: [`The tag ${tag}: pulls by it fail`],
      verb: "Take tag away",
      act: async () => {
        await untagImage(client, this.imageId, tag, digest);
      },
    });
    if (!done) return;
    toast(`The tag ${tag} was taken away.`);
    await this.read();
  }

  private async askToDelete(image: Image, version: ListedVersion): Promise<void> {
    if (!(await this.confirm.ask(askToDelete(image, version, () => deleteImageVersion(client, image.id, version.digest))))) return;
    toast("The version was deleted. It can be restored under Deleted.");
    navigate(`/images/${image.id}`);
  }

  private async read(): Promise<void> {
    this.reading?.abort();
    const reading = new AbortController();
    this.reading = reading;
    try {
      this.details = await getImageVersion(client, this.imageId, this.reference, reading.signal);
      this.error = undefined;
    } catch (error) {
      if (!reading.signal.aborted) this.error = asApiError(error);
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-version-page": VersionPage;
  }
}
