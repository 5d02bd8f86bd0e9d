// A page of two columns: what it is about, and facts beside it; one below the other where there is less room.
import { css } from "lit";

export const columns = css`
  .columns {
    display: grid;
    grid-template-columns: minmax(0, 1fr) 340px;
    gap: var(--gap-4);
    align-items: start;
  }
  @media (max-width: 1100px) {
    .columns {
      grid-template-columns: minmax(0, 1fr);
    }
  }
`;
