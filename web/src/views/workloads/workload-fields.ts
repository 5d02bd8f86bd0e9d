// The controls of a workload's form, in the order a person thinks of them. Emits `form-changed`; knows no backend.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query } from "lit/decorators.js";

import type { Cluster } from "../../api/records";
import type { Choice, FormField } from "../../elements/form-field";
import "../../elements/form-field";
import type { Row, RowColumn } from "../../elements/row-editor";
import "../../elements/row-editor";
import { shared } from "../../styles/shared";
import { keyViolation } from "../../text/pem";
import { cellViolations } from "../../text/violations";
import type { WorkloadForm } from "./workload-form";

/** The keys of the form whose values are plain text. */
type TextKey = { [Key in keyof WorkloadForm]: WorkloadForm[Key] extends readonly Row[] ? never : Key }[keyof WorkloadForm];
type RowsKey = Exclude<keyof WorkloadForm, TextKey>;
type Options = Partial<Pick<FormField, "hint" | "type" | "placeholder" | "choices" | "required" | "disabled" | "mono" | "min" | "max" | "step" | "unit" | "rows">> & { violation?: string };

const MODES: readonly Choice[] = [
  { value: "WORKLOAD_MODE_REPLICATED", label: "Replicated: as many as wished" },
  { value: "WORKLOAD_MODE_GLOBAL", label: "Global: one on every node" },
];
const CATEGORIES: readonly Choice[] = [
  { value: "WORKLOAD_CATEGORY_WORKLOAD", label: "Workload" },
  { value: "WORKLOAD_CATEGORY_BASE", label: "Base" },
  { value: "WORKLOAD_CATEGORY_DISTRIBUTED", label: "Distributed" },
];
const SOURCES: readonly Choice[] = [
  { value: "pushed", label: "Pushed to Cloudly's registry" },
  { value: "elsewhere", label: "From another registry" },
];
const ORDERS: readonly Choice[] = [
  { value: "UPDATE_ORDER_START_FIRST", label: "Start the new one first" },
  { value: "UPDATE_ORDER_STOP_FIRST", label: "Stop the old one first" },
];
const ON_PUSH: readonly Choice[] = [
  { value: "yes", label: "Yes, roll each push out" },
  { value: "no", label: "No, keep what runs" },
];
const SIGNED: readonly Choice[] = [
  { value: "no", label: "Not demanded" },
  { value: "yes", label: "Roll out only what is signed" },
];
const PAIR: readonly RowColumn[] = [
  { key: "name", label: "Name", mono: true, width: "2fr" },
  { key: "value", label: "Value", mono: true, width: "3fr" },
];
const DOMAINS: readonly RowColumn[] = [
  { key: "name", label: "Domain", placeholder: "app.example.org", width: "3fr" },
  { key: "port", label: "Container port", placeholder: "Web port", type: "number", width: "1fr" },
  { key: "protocol", label: "Protocol", type: "select", initial: "http", choices: ["http", "https"].map((value) => ({ value, label: value })), width: "1fr" },
];
const PORTS: readonly RowColumn[] = [
  { key: "hostPort", label: "Host port", type: "number" },
  { key: "containerPort", label: "Container port", type: "number" },
  { key: "protocol", label: "Protocol", type: "select", initial: "tcp", choices: ["tcp", "udp"].map((value) => ({ value, label: value })) },
];

@customElement("cl-workload-fields")
export class WorkloadFields extends LitElement {
  static override shadowRootOptions: ShadowRootInit = { ...LitElement.shadowRootOptions, delegatesFocus: true };

  @property({ attribute: false }) form!: WorkloadForm;
  @property({ attribute: false }) clusters: readonly Cluster[] = [];
  @property({ attribute: false }) violations: ReadonlyMap<string, string> = new Map();
  /** An existing workload: what is fixed at its making is only shown. */
  @property({ type: Boolean }) changing = false;

  /** The first control whose value was refused. */
  @query("cl-field:not([violation=''])") readonly firstRefused!: FormField | null;
  /** The folded parts that begin open: those that say something. Afterwards the reader opens and closes them. */
  private begins: { resources: boolean; health: boolean; updates: boolean } | undefined;

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: var(--gap-4);
      }
      fieldset {
        border: 1px solid var(--line);
        border-radius: var(--radius-large);
        background: var(--surface);
        padding: var(--gap-4);
        min-width: 0;
      }
      .grid {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        gap: var(--gap-4);
        align-items: start;
      }
      .wide {
        grid-column: 1 / -1;
      }
      .quarters {
        grid-column: 1 / -1;
        display: grid;
        grid-template-columns: repeat(4, minmax(0, 1fr));
        gap: var(--gap-4);
      }
      h2 {
        margin-bottom: var(--gap-3);
      }
      details summary {
        cursor: pointer;
        font-size: var(--size-large);
        font-weight: 600;
      }
      details[open] summary {
        margin-bottom: var(--gap-3);
      }
      @media (max-width: 640px) {
        .grid {
          grid-template-columns: minmax(0, 1fr);
        }
        .quarters {
          grid-template-columns: repeat(2, minmax(0, 1fr));
        }
      }
    `,
  ];

  protected override willUpdate(): void {
    this.begins ??= saysSomething(this.form);
  }

  override render(): TemplateResult {
    return html`${this.renderBasics()} ${this.renderImage()} ${this.renderRunning()} ${this.renderNetwork()} ${this.renderResources()} ${this.renderHealth()} ${this.renderUpdates()}`;
  }

  private renderBasics(): TemplateResult {
    const clusters = [...this.clusters].sort((a, b) => a.name.localeCompare(b.name)).map(({ id, name }) => ({ value: id, label: name }));
    return html`<fieldset aria-labelledby="basics">
      <h2 id="basics">What it is</h2>
      <div class="grid">
        ${this.field("name", "Name", { required: true, hint: "Lowercase letters, digits and dashes, such as “web-shop”." })}
        ${this.field("clusterId", "Cluster", { required: true, type: "select", disabled: this.changing, choices: [{ value: "", label: "Choose a cluster" }, ...clusters], ...(this.changing ? { hint: "Fixed when the workload was made." } : {}) })}
        ${this.field("description", "Description", {})}
        ${this.field("category", "Category", { type: "select", choices: CATEGORIES })}
      </div>
    </fieldset>`;
  }

  private renderImage(): TemplateResult {
    return html`<fieldset aria-labelledby="image">
      <h2 id="image">Image</h2>
      <div class="grid">
        ${this.field("source", "Where the image comes from", { type: "select", choices: SOURCES })}
        ${this.form.source === "elsewhere"
          ? this.field("image", "Image", { mono: true, required: true, placeholder: "docker.io/library/nginx:1.29", hint: "With its tag or digest." })
          : html`${this.field("tag", "Tag to follow", { mono: true, placeholder: "any", hint: "Empty: whichever tag was pushed last." })} ${this.field("deployOnPush", "Deploy on push", { type: "select", choices: ON_PUSH })}`}
        ${this.field("signed", "Signatures", { type: "select", choices: SIGNED, hint: "What runs already goes on.", violation: this.violation("signaturePolicy.required") })}
        ${this.form.signed === "yes" || this.form.publicKeys !== ""
          ? html`<div class="wide">
              ${this.field("publicKeys", "Keys that are trusted", { type: "textarea", mono: true, rows: 5, required: this.form.signed === "yes", placeholder: "-----BEGIN PUBLIC KEY-----", hint: "PEM, as cosign.pub holds one (ECDSA, Ed25519 or RSA); several below each other. One of them has to have signed.", violation: keyViolation(this.violations, "signaturePolicy.publicKeys") })}
            </div>`
          : nothing}
      </div>
    </fieldset>`;
  }

  private renderRunning(): TemplateResult {
    return html`<fieldset aria-labelledby="running">
      <h2 id="running">Running</h2>
      <div class="grid">
        ${this.field("mode", "Mode", { type: "select", choices: MODES })}
        ${this.form.mode === "WORKLOAD_MODE_GLOBAL" ? nothing : this.field("replicas", "Replicas", { type: "number", min: 0, max: 1000 })}
        ${this.field("command", "Command", { type: "textarea", mono: true, rows: 2, hint: "Replaces the image's entry point. One word a line." })}
        ${this.field("arguments", "Arguments", { type: "textarea", mono: true, rows: 2, hint: "One a line." })}
        <div class="wide">${this.rowsOf("environment", "Environment", "variable", PAIR)}</div>
        <div class="wide">${this.rowsOf("labels", "Labels", "label", PAIR)}</div>
      </div>
    </fieldset>`;
  }

  private renderNetwork(): TemplateResult {
    return html`<fieldset aria-labelledby="network">
      <h2 id="network">Network</h2>
      <div class="grid">
        ${this.field("webPort", "Web port", { type: "number", min: 0, max: 65535, placeholder: "none", hint: "The port inside the container to which the domains lead." })}
        <div class="wide">${this.rowsOf("domains", "Domains", "domain", DOMAINS)}</div>
        <div class="wide">${this.rowsOf("publishedPorts", "Ports on every node", "port", PORTS)}</div>
      </div>
    </fieldset>`;
  }

  private renderResources(): TemplateResult {
    const cores: Options = { type: "number", min: 0, step: "0.1", unit: "cores", placeholder: "none" };
    const memory: Options = { type: "number", min: 0, unit: "MiB", placeholder: "none" };
    return html`<fieldset>
      <details ?open=${this.begins?.resources}>
        <summary>Resources</summary>
        <div class="grid">
          ${this.field("cpuLimit", "CPU limit", cores)} ${this.field("cpuReservation", "CPU reserved", cores)}
          ${this.field("memoryLimit", "Memory limit", { ...memory, violation: this.violation("resources.memoryLimitBytes") })}
          ${this.field("memoryReservation", "Memory reserved", { ...memory, violation: this.violation("resources.memoryReservationBytes") })}
        </div>
      </details>
    </fieldset>`;
  }

  private renderHealth(): TemplateResult {
    const seconds: Options = { type: "number", min: 0, max: 3600, unit: "s" };
    return html`<fieldset>
      <details ?open=${this.begins?.health}>
        <summary>Health check</summary>
        <div class="grid">
          <div class="wide">
            ${this.field("healthCommand", "Command", { type: "textarea", mono: true, rows: 3, placeholder: "curl\n-fsS\nhttp://localhost:8080/healthz", hint: "Run inside the container, one word a line; exit status 0 is healthy. Empty: none.", violation: this.violation("healthCheck.command") })}
          </div>
          <div class="quarters">
            ${this.field("healthInterval", "Interval", { ...seconds, placeholder: "10", violation: this.violation("healthCheck.intervalSeconds") })}
            ${this.field("healthTimeout", "Timeout", { ...seconds, placeholder: "5", violation: this.violation("healthCheck.timeoutSeconds") })}
            ${this.field("healthRetries", "Retries", { type: "number", min: 0, max: 100, placeholder: "3", violation: this.violation("healthCheck.retries") })}
            ${this.field("healthStart", "Grace at start", { ...seconds, placeholder: "0", violation: this.violation("healthCheck.startPeriodSeconds") })}
          </div>
        </div>
      </details>
    </fieldset>`;
  }

  private renderUpdates(): TemplateResult {
    return html`<fieldset>
      <details ?open=${this.begins?.updates}>
        <summary>How updates roll out</summary>
        <div class="grid">
          ${this.field("updateOrder", "Order", { type: "select", choices: ORDERS })}
          ${this.field("updateParallelism", "At a time", { type: "number", min: 0, max: 1000, placeholder: "1" })}
          ${this.field("updateDelay", "Pause between two", { type: "number", min: 0, max: 3600, unit: "s", placeholder: "0" })}
          ${this.field("updateMonitor", "Watched before it counts as good", { type: "number", min: 0, max: 3600, unit: "s", placeholder: "5" })}
        </div>
      </details>
    </fieldset>`;
  }

  private field(key: TextKey, label: string, options: Options): TemplateResult {
    return html`<cl-field
      label=${label}
      hint=${options.hint ?? ""}
      type=${options.type ?? "text"}
      placeholder=${options.placeholder ?? ""}
      unit=${options.unit ?? ""}
      step=${options.step ?? ""}
      .min=${options.min}
      .max=${options.max}
      .rows=${options.rows ?? 3}
      .choices=${options.choices ?? []}
      ?required=${options.required}
      ?disabled=${options.disabled}
      ?mono=${options.mono}
      .value=${this.form[key]}
      violation=${options.violation ?? this.violation(key)}
      @changed=${(event: CustomEvent<string>) => this.change({ [key]: event.detail })}
    ></cl-field>`;
  }

  private rowsOf(key: RowsKey, label: string, noun: string, columns: readonly RowColumn[]): TemplateResult {
    return html`<cl-rows
        label=${label}
        noun=${noun}
        .columns=${columns}
        .rows=${this.form[key]}
        .violations=${cellViolations(this.violations, key)}
        violation=${this.violation(key)}
        @rows-changed=${(event: CustomEvent<readonly Row[]>) => this.change({ [key]: event.detail })}
      ></cl-rows>`;
  }

  private change(changes: Partial<Record<keyof WorkloadForm, unknown>>): void {
    this.dispatchEvent(new CustomEvent<WorkloadForm>("form-changed", { detail: { ...this.form, ...changes } as WorkloadForm }));
  }

  private violation(field: string): string {
    return this.violations.get(field) ?? "";
  }
}

function saysSomething(form: WorkloadForm): { resources: boolean; health: boolean; updates: boolean } {
  const any = (...texts: string[]): boolean => texts.some((text) => text !== "");
  return {
    resources: any(form.cpuLimit, form.cpuReservation, form.memoryLimit, form.memoryReservation),
    health: form.healthCommand !== "",
    updates: form.updateOrder === "UPDATE_ORDER_STOP_FIRST" || any(form.updateParallelism, form.updateDelay, form.updateMonitor),
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-workload-fields": WorkloadFields;
  }
}
