// Images of the registry.
import type { Client } from "./client";
import type { Image } from "./records";

export const createImage = (client: Client, name: string, description: string, idempotencyKey: string): Promise<Image> =>
  client.call("/api/v1/images", { method: "POST", body: { name, description }, idempotencyKey });

/** Deletes the repository's tags and manifests. Refused while a cluster pins one of its digests. */
export const deleteImage = (client: Client, image: Image): Promise<unknown> =>
  client.call(`/api/v1/images/${image.id}`, { method: "DELETE" });
