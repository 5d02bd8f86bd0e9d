// All that an entry of the audit log says, below its row.
import { html, nothing, type TemplateResult } from "lit";

import type { AuditEntry, AuditResource } from "../../api/records";
import "../../elements/copy-field";

export function entryDetail(entry: AuditEntry): TemplateResult {
  const { actor, changes = [] } = entry;
  const more = entry.changesLeftOff ?? 0;
  return html`<dl class="facts">
    <dt>When</dt><dd>${entry.time ? new Date(entry.time).toLocaleString() : ""}, took ${entry.tookMs ?? 0} ms</dd>
    <dt>Who</dt><dd>${actor?.name ?? "nobody who was logged in"}${actor?.type ? html` <span class="muted">(${[actor.type, ...(actor.roles ?? [])].join(", ")})</span>` : nothing}${actor?.via ? html` by way of ${actor.via}` : nothing}</dd>
    ${fact("Actor's id", actor?.id)}
    ${fact("Session", actor?.sessionId)}
    ${fact("Address", entry.remoteAddress)}
    ${entry.userAgent ? html`<dt>Program</dt><dd>${entry.userAgent}</dd>` : nothing}
    ${fact("Request id", entry.requestId)}
    ${entry.resource?.id ? html`<dt>Resource</dt><dd>${entry.resource.kind} <cl-copy inline label="resource id" value=${entry.resource.id}></cl-copy></dd>` : nothing}
    ${entry.request && entry.request !== "{}" ? html`<dt>Asked</dt><dd><pre tabindex="0" aria-label="What was asked">${pretty(entry.request)}</pre></dd>` : nothing}
    ${changes.length === 0
      ? nothing
      : html`<dt>Written</dt><dd><ul>
          ${changes.map(({ resource, etagBefore, etagAfter }) => html`<li>${named(resource)}: <span class="mono">${etagBefore ? etagBefore : "new"} → ${etagAfter ? etagAfter : "gone"}</span></li>`)}
          ${more > 0 ? html`<li class="muted">and ${more} more</li>` : nothing}
        </ul></dd>`}
    <dt>Entry</dt><dd>number ${entry.sequence}, <cl-copy inline label="hash" value=${entry.hash ?? ""} display=${`${(entry.hash ?? "").slice(0, 16)}…`}></cl-copy></dd>
  </dl>`;
}

function fact(name: string, value: string | undefined): TemplateResult | typeof nothing {
  return value ? html`<dt>${name}</dt><dd><cl-copy inline label=${name.toLowerCase()} value=${value}></cl-copy></dd>` : nothing;
}

function named(resource: AuditResource | undefined): string {
  const { kind = "", name = "", id = "" } = resource ?? {};
  return `${kind} ${name === "" ? id : name}`;
}

/** The request as it can be read; what was cut is no JSON any more and stays as it is. */
function pretty(request: string): string {
  try {
    return JSON.stringify(JSON.parse(request), null, 2);
  } catch (error) {
    if (error instanceof SyntaxError) return request;
    throw error;
  }
}
