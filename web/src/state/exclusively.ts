// One at a time over all tabs of this browser.

const LEASE_MS = 15_000;
const LOOK_AGAIN_MS = 60;

/** Runs the work while no other tab runs work of this name. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (hasLocks()) return navigator.locks.request(name, work);
  // Web Locks exist only on HTTPS and localhost. Over plain HTTP a lease in localStorage does: storage is shared and writes
  // are ordered; reading back after a moment shows which of two tabs that wrote at once was last.
  const owner = Math.random().toString(36).slice(2);
  const key = `${name}.lease`;
  for (;;) {
    const [, until] = (localStorage.getItem(key) ?? "").split(" ");
    if (Number(until ?? 0) < Date.now()) {
      const mine = `${owner} ${Date.now() + LEASE_MS}`;
      localStorage.setItem(key, mine);
      await moment();
      if (localStorage.getItem(key) === mine) break;
    }
    await moment();
  }
  try {
    return await work();
  } finally {
    localStorage.removeItem(key);
  }
}

export function hasLocks(): boolean {
  // The type says it is always there; in an insecure context it is not.
  return "locks" in navigator;
}

function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS * (1 + Math.random())));
}
