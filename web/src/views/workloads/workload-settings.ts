// A workload's settings, to read. What is at its default is left out.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { Workload } from "../../api/records";
import "../../elements/variables";
import { shared } from "../../styles/shared";
import { bytes, count, enumWord } from "../../text/format";

@customElement("cl-workload-settings")
export class WorkloadSettings extends LitElement {
  @property({ attribute: false }) workload!: Workload;

  static override styles = [
    shared,
    css`
      dt.top {
        align-self: start;
      }
    `,
  ];

  override render(): TemplateResult {
    const { workload } = this;
    const rows = settingsOf(workload);
    const environment = Object.entries(workload.environment ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return html`<dl class="facts">
      ${rows.map(([name, value]) => html`<dt>${name}</dt>
        <dd>${value}</dd>`)}
      <dt class="top">Environment</dt>
      <dd>
        <cl-variables .variables=${environment}></cl-variables>
      </dd>
    </dl>`;
  }
}

/** What is set, as words. Pure. */
export function settingsOf(workload: Workload): [string, string | TemplateResult][] {
  const { resources, healthCheck, updateStrategy, signaturePolicy } = workload;
  const pushed = !workload.image;
  const rows: [string, string | TemplateResult | typeof nothing][] = [
    ["Mode", workload.mode === "WORKLOAD_MODE_GLOBAL" ? "one on every node" : `replicated, ${count(workload.replicas ?? 1, "replica")}`],
    ["Category", enumWord(workload.category, "WORKLOAD_CATEGORY")],
    ["Tag to follow", pushed ? (workload.tag ? code(workload.tag) : "any, the last pushed") : nothing],
    ["Deploy on push", pushed ? (workload.deployOnPush === false ? "no" : "yes") : nothing],
    ["Signatures", signaturePolicy?.required ? `demanded, by one of ${count((signaturePolicy.publicKeys ?? []).length, "key")}` : nothing],
    ["Command", words(workload.command)],
    ["Arguments", words(workload.arguments)],
    ["Web port", workload.webPort ? String(workload.webPort) : nothing],
    ["Domains", (workload.domains ?? []).map(({ name, port, protocol }) => `${protocol ? protocol : "http"}://${name}${port ? ` to port ${port}` : ""}`).join(", ")],
    ["Ports on nodes", (workload.publishedPorts ?? []).map(({ hostPort, containerPort, protocol }) => `${hostPort} to ${containerPort}/${protocol ? protocol : "tcp"}`).join(", ")],
    ["CPU", span(resources?.cpuLimit, resources?.cpuReservation, (cores) => count(cores, "core"))],
    ["Memory", span(Number(resources?.memoryLimitBytes ?? 0), Number(resources?.memoryReservationBytes ?? 0), bytes)],
    ["Health check", words(healthCheck?.command)],
    ["", healthCheck ? `every ${healthCheck.intervalSeconds ? healthCheck.intervalSeconds : 10} s, at most ${healthCheck.timeoutSeconds ? healthCheck.timeoutSeconds : 5} s, ${count(healthCheck.retries ? healthCheck.retries : 3, "failure")} in a row` : nothing],
    ["Updates", updateStrategy ? `${updateStrategy.order === "UPDATE_ORDER_STOP_FIRST" ? "stop first" : "start first"}, ${updateStrategy.parallelism ? updateStrategy.parallelism : 1} at a time` : "start first, 1 at a time"],
    ["Labels", Object.entries(workload.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(", ")],
  ];
  return rows.filter((row): row is [string, string | TemplateResult] => row[1] !== "" && row[1] !== nothing);
}

function span(limit: number | undefined, reserved: number | undefined, say: (value: number) => string): string {
  return [limit ? `at most ${say(limit)}` : "", reserved ? `${say(reserved)} reserved` : ""].filter((part) => part !== "").join(", ");
}

function words(list: readonly string[] | undefined): TemplateResult | typeof nothing {
  return list && list.length > 0 ? code(list.join(" ")) : nothing;
}

function code(text: string): TemplateResult {
  return html`<code>${text}</code>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-workload-settings": WorkloadSettings;
  }
}
