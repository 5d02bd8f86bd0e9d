// The styles that every element's shadow root shares: controls, text, panels. One constructed style sheet for all.
import { css } from "lit";

export const shared = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  h1,
  h2,
  h3,
  p,
  ul,
  ol,
  dl,
  dd,
  fieldset {
    margin: 0;
    padding: 0;
  }
  ul,
  ol {
    list-style: none;
  }
  h2 {
    font-size: var(--size-large);
    font-weight: 600;
    letter-spacing: -0.005em;
  }
  h3 {
    font-size: var(--size);
    font-weight: 600;
  }
  a {
    color: var(--accent);
    text-decoration: none;
  }
  a:hover {
    text-decoration: underline;
    text-underline-offset: 2px;
  }
  :focus-visible {
    outline: 2px solid var(--focus);
    outline-offset: 2px;
    border-radius: 3px;
  }
  svg {
    flex: none;
  }
  code,
  .mono {
    font-family: var(--mono);
    font-size: 0.95em;
  }
  .muted {
    color: var(--text-muted);
  }
  .small {
    font-size: var(--size-small);
  }
  .number {
    font-variant-numeric: tabular-nums;
  }
  .cut {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  button,
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 6px;
    height: var(--control-height);
    padding: 0 12px;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius);
    background: var(--surface);
    color: var(--text);
    font: 500 var(--size) / 1 var(--font);
    white-space: nowrap;
    cursor: pointer;
  }
  button:hover,
  .button:hover {
    background: var(--hover);
    text-decoration: none;
  }
  button.primary,
  .button.primary {
    background: var(--accent-fill);
    border-color: transparent;
    color: var(--on-accent);
  }
  button.primary:hover,
  .button.primary:hover {
    background: var(--accent-fill-hover);
  }
  button.danger {
    background: var(--bad-fill);
    border-color: transparent;
    color: #fff;
  }
  button.danger:hover {
    background: var(--bad-fill-hover);
  }
  button.quiet,
  .button.quiet {
    border-color: transparent;
    background: transparent;
    color: var(--text-muted);
  }
  button.quiet:hover,
  .button.quiet:hover {
    background: var(--hover);
    color: var(--text);
  }
  button.icon-only {
    width: var(--control-height);
    padding: 0;
  }
  button.compact,
  .button.compact {
    height: 26px;
    padding: 0 8px;
    font-size: var(--size-small);
  }
  button.compact.icon-only {
    width: 26px;
    padding: 0;
  }
  button:disabled {
    opacity: 0.55;
    cursor: not-allowed;
  }
  .panel {
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: var(--radius-large);
    box-shadow: var(--shadow);
  }
  .panel > header {
    display: flex;
    align-items: center;
    gap: var(--gap-3);
    min-height: 44px;
    padding: var(--gap-2) var(--gap-4);
    border-bottom: 1px solid var(--line);
  }
  .panel > header > :last-child:not(h2) {
    margin-inline-start: auto;
  }
  .panel > .body {
    padding: var(--gap-4);
  }
  .once {
    padding: 8px 12px;
    border-radius: var(--radius);
    background: var(--warn-quiet);
    color: var(--warn);
    font-weight: 500;
  }
  .facts {
    display: grid;
    grid-template-columns: minmax(96px, max-content) minmax(0, 1fr);
    gap: 7px var(--gap-4);
    align-items: baseline;
  }
  .facts dt {
    color: var(--text-muted);
  }
  .facts dd {
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .row {
    display: flex;
    align-items: center;
    gap: var(--gap-2);
    min-width: 0;
  }
  .row.wrap {
    flex-wrap: wrap;
    gap: 2px var(--gap-2);
  }
  .stack {
    display: grid;
    gap: var(--gap-4);
    grid-template-columns: minmax(0, 1fr);
  }
`;
