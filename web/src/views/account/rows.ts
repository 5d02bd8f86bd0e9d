// How the account's page lists few things: passkeys, sessions. What each is on the left, what can be done with it on the right.
import { css } from "lit";

export const rows = css`
  .rows li {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px var(--gap-3);
    padding: 9px var(--gap-3);
  }
  .rows li + li {
    border-top: 1px solid var(--line);
  }
  .rows .what {
    flex: 1 1 200px;
    min-width: 0;
    overflow-wrap: anywhere;
  }
`;
