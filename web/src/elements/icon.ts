// The dashboard's own few icons, 16 × 16, drawn in the text's colour. Decoration only: the words beside them carry the meaning.
import { html, svg, type SVGTemplateResult, type TemplateResult } from "lit";

const icons = {
  overview: svg`<rect x="2" y="2" width="5" height="6" rx="1"/><rect x="9" y="2" width="5" height="4" rx="1"/><rect x="2" y="10" width="5" height="4" rx="1"/><rect x="9" y="8" width="5" height="6" rx="1"/>`,
  cluster: svg`<rect x="2" y="2.5" width="12" height="4.5" rx="1"/><rect x="2" y="9" width="12" height="4.5" rx="1"/><path d="M4.5 4.75h.01M4.5 11.25h.01M7.5 4.75h4M7.5 11.25h4"/>`,
  workload: svg`<path d="M8 1.8l5.5 3.1v6.2L8 14.2l-5.5-3.1V4.9z"/><path d="M2.7 5L8 8l5.3-3M8 8v6"/>`,
  deployment: svg`<path d="M5 3.2v9.6l8-4.8z"/>`,
  image: svg`<path d="M8 1.8l6 3-6 3-6-3zM2 8l6 3 6-3M2 11.2l6 3 6-3"/>`,
  link: svg`<path d="M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.3 9a2.6 2.6 0 0 0 3.7 3.7l.9-.9"/>`,
  store: svg`<ellipse cx="8" cy="3.8" rx="5.5" ry="2"/><path d="M2.5 3.8v8.4c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V3.8M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2"/>`,
  send: svg`<path d="M14 2L7.2 8.8M14 2l-4.4 12-2.4-5.2L2 6.4z"/>`,
  check: svg`<path d="M3 8.5l3.2 3.2L13 5"/>`,
  cross: svg`<path d="M4 4l8 8M12 4l-8 8"/>`,
  warning: svg`<path d="M8 2.2l6.2 11H1.8zM8 6.5v3M8 11.4v.1"/>`,
  wait: svg`<circle cx="8" cy="8" r="5.8"/><path d="M8 4.8V8l2.2 1.6"/>`,
  busy: svg`<path d="M13.8 8A5.8 5.8 0 1 1 8 2.2"/>`,
  idle: svg`<path d="M4 8h8"/>`,
  copy: svg`<rect x="5.5" y="5.5" width="8" height="8" rx="1.2"/><path d="M3.6 10.5H3a.8.8 0 0 1-.8-.8V3A.8.8 0 0 1 3 2.2h6.7a.8.8 0 0 1 .8.8v.6"/>`,
  plus: svg`<path d="M8 3v10M3 8h10"/>`,
  minus: svg`<path d="M3 8h10"/>`,
  trash: svg`<path d="M2.8 4.2h10.4M6 4V2.5h4V4M4 4.2l.7 9.3h6.6l.7-9.3M6.7 6.8v4M9.3 6.8v4"/>`,
  edit: svg`<path d="M10.7 2.6l2.7 2.7-7.9 7.9-3.2.5.5-3.2z"/>`,
  key: svg`<circle cx="5.2" cy="10.8" r="3"/><path d="M7.4 8.6l6-6M11 5l1.8 1.8"/>`,
  passkey: svg`<circle cx="5.4" cy="5" r="2.4"/><path d="M1.5 13.2c.3-2.6 1.8-4.1 3.9-4.1.9 0 1.7.3 2.3.8"/><circle cx="11.6" cy="6.8" r="2"/><path d="M11.6 8.8v4.9l1.2-1M11.6 11.2h1.2"/>`,
  phone: svg`<rect x="4.2" y="1.8" width="7.6" height="12.4" rx="1.4"/><path d="M7.2 12h1.6"/>`,
  shield: svg`<path d="M8 1.8l5 1.9v3.8c0 3.2-2 5.5-5 6.7-3-1.2-5-3.5-5-6.7V3.7z"/><path d="M5.8 7.9l1.6 1.6 2.9-3"/>`,
  download: svg`<path d="M8 2.5v7.3M5 7l3 3 3-3M2.8 13.3h10.4"/>`,
  search: svg`<circle cx="7" cy="7" r="4.3"/><path d="M10.3 10.3l3.4 3.4"/>`,
  right: svg`<path d="M6 3.5L10.5 8 6 12.5"/>`,
  down: svg`<path d="M3.5 6L8 10.5 12.5 6"/>`,
  up: svg`<path d="M3.5 10L8 5.5l4.5 4.5"/>`,
  user: svg`<circle cx="8" cy="5.4" r="2.7"/><path d="M2.8 13.6c.6-2.6 2.6-4 5.2-4s4.6 1.4 5.2 4"/>`,
  sun: svg`<circle cx="8" cy="8" r="2.8"/><path d="M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1"/>`,
  moon: svg`<path d="M13.2 9.6A5.7 5.7 0 0 1 6.4 2.8a5.7 5.7 0 1 0 6.8 6.8z"/>`,
  screen: svg`<rect x="1.8" y="2.8" width="12.4" height="8.4" rx="1"/><path d="M5.5 13.6h5"/>`,
  logout: svg`<path d="M6 2.5H3.3a.8.8 0 0 0-.8.8v9.4c0 .4.4.8.8.8H6M10 11l3-3-3-3M13 8H6"/>`,
  rollback: svg`<path d="M3 6.5h6.8a3.4 3.4 0 0 1 0 6.8H6M5.8 3.5L2.8 6.5l3 3"/>`,
  settings: svg`<path d="M2.5 4.5h6M12 4.5h1.5M2.5 11.5H4M7.5 11.5h6"/><circle cx="10.2" cy="4.5" r="1.7"/><circle cx="5.8" cy="11.5" r="1.7"/>`,
  audit: svg`<path d="M4 1.8h5.5L13 5.3v8.9H4z"/><path d="M9.3 2v3.5h3.5M6.3 8.2h4.4M6.3 11h4.4"/>`,
  menu: svg`<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11"/>`,
  logo: svg`<path d="M5 11.8a3 3 0 0 1-.3-6 4.1 4.1 0 0 1 7.9 1 2.5 2.5 0 0 1-.3 5z"/><path d="M6.6 9.2h3"/>`,
} satisfies Record<string, SVGTemplateResult>;

export type IconName = keyof typeof icons;

export function icon(name: IconName, size = 16): TemplateResult {
  return html`<svg
    class="icon ${name}"
    width=${size}
    height=${size}
    viewBox="0 0 16 16"
    fill="none"
    stroke="currentColor"
    stroke-width="1.5"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    ${icons[name]}
  </svg>`;
}
