// Tabs, where a page has several things to show of one resource.
import "@awesome.me/webawesome/dist/components/tab-group/tab-group.js";
import "@awesome.me/webawesome/dist/components/tab-panel/tab-panel.js";
import "@awesome.me/webawesome/dist/components/tab/tab.js";
import { css } from "lit";

export const tabs = css`
  wa-tab-group {
    --track-color: var(--line);
    --track-width: 1px;
    --indicator-color: var(--accent);
  }
  wa-tab {
    font-size: var(--size);
    font-weight: 550;
  }
  wa-tab::part(base) {
    padding: 12px var(--gap-3);
  }
  wa-tab[active]::part(base) {
    color: var(--accent);
  }
  wa-tab-panel {
    --padding: 0;
    font-size: var(--size);
  }
`;
