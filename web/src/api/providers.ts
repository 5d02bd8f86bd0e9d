// Tests of the connections to providers, whichever service makes them.
import type { Client } from "./client";
import type { ConnectionTest } from "./records";

/** What was found with the settings as they are now; one answer for each place that was asked. */
export async function testProvider(client: Client, provider: string): Promise<ConnectionTest[]> {
  const answer: { connections?: ConnectionTest[] } = await client.call(`/api/v1/providers/${provider}/test`, { method: "POST", body: {} });
  return answer.connections ?? [];
}
