// What the logged-in person may do, as the server says. It decides on each call anyway; knowing it beforehand only spares
// people the entries and buttons that it would refuse.
import { permissionsOf } from "../api/access";
import type { Client } from "../api/client";

export class Permissions {
  private granted: ReadonlySet<string> = new Set();
  private asked: Promise<void> | undefined;
  private turn = 0;

  constructor(private readonly client: Pick<Client, "call">) {}

  /** Such as `users.write`. Nothing is allowed before it is `known`. */
  allows(permission: string): boolean {
    return this.granted.has(permission);
  }

  /** Resolves when `allows` can be asked; the server is asked once for each login, and again after a failure. */
  known(): Promise<void> {
    return (this.asked ??= this.ask(++this.turn));
  }

  /** For another person, or the same with other roles. An answer that is under way is for the one before. */
  forget(): void {
    this.turn += 1;
    this.granted = new Set();
    this.asked = undefined;
  }

  private async ask(turn: number): Promise<void> {
    try {
      const found = await permissionsOf(this.client);
      if (turn === this.turn) this.granted = new Set(found);
    } catch (error) {
      if (turn === this.turn) this.asked = undefined;
      throw error;
    }
  }
}
