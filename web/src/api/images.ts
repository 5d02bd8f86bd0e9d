// Images of the registry, their versions, and what was deleted of them.
import type { Client } from "./client";
import { listAll } from "./list";
import type { Announced, DeletedVersion, Image, ImageSettings, ListedVersion, RetentionPreview, RetentionRule, SignatureVerdict, VersionDetails } from "./records";

export const createImage = (client: Client, name: string, description: string, idempotencyKey: string): Promise<Image> =>
  client.call("/api/v1/images", { method: "POST", body: { name, description }, idempotencyKey });

/** Changes the settings that `changes` names and no others; refused when the image has changed since it was read. */
export const updateImage = (client: Client, image: { id: string; etag?: string | undefined }, changes: Partial<ImageSettings>): Promise<Image> =>
  client.call(`/api/v1/images/${image.id}`, { method: "PATCH", body: changes, query: { updateMask: Object.keys(changes).join(",") }, etag: image.etag });

/** Deletes the repository's tags and manifests. Refused while a cluster pins one of its digests. */
export const deleteImage = (client: Client, image: Image): Promise<unknown> =>
  client.call(`/api/v1/images/${image.id}`, { method: "DELETE" });

/** Newest push first; with `all` also parts of indexes, signatures and the like. */
export const listImageVersions = (client: Client, id: string, all: boolean, signal?: AbortSignal): Promise<ListedVersion[]> =>
  listAll<ListedVersion>(client, `/api/v1/images/${id}/versions`, "versions", all ? { all: "true" } : {}, signal);

export const getImageVersion = (client: Client, id: string, reference: string, signal?: AbortSignal): Promise<VersionDetails> =>
  client.call(versionPath(id, reference), signal ? { signal } : {});

/** Deletes a version with its tags. Refused while a cluster needs it or an index refers to it. */
export const deleteImageVersion = (client: Client, id: string, reference: string): Promise<unknown> =>
  client.call(versionPath(id, reference), { method: "DELETE" });

/** Points a tag to a version, as a push of it would. */
export const tagImage = (client: Client, id: string, reference: string, tag: string): Promise<ListedVersion> =>
  client.call(`/api/v1/images/${id}/tags`, { method: "POST", body: { reference, tag } });

/** Takes a tag away, unless it points to another digest by now. */
export const untagImage = (client: Client, id: string, tag: string, digest: string): Promise<unknown> =>
  client.call(`/api/v1/images/${id}/tags/${encodeURIComponent(tag)}`, { method: "DELETE", query: { digest } });

/** What rules of retention would let go now; nothing is changed. */
export const previewRetention = (client: Client, id: string, retention: readonly RetentionRule[]): Promise<RetentionPreview> =>
  client.call(`/api/v1/images/${id}/retention/preview`, { method: "POST", body: { retention } });

/** Whether one of the keys (PEM) has signed a version. */
export const verifySignatures = (client: Client, id: string, reference: string, publicKeys: readonly string[], signal?: AbortSignal): Promise<SignatureVerdict> =>
  client.call(`/api/v1/images/${id}/verify`, { method: "POST", body: { reference, publicKeys }, ...(signal ? { signal } : {}) });

/** Has the workloads that follow an image, of this registry or another, roll out what its tag leads to now. */
export const announceImage = (client: Client, image: string): Promise<Announced> => client.call("/api/v1/images:announce", { method: "POST", body: { image } });

/** What was deleted of an image and can be brought back; deleted images where the id is empty. */
export const listDeleted = (client: Client, imageId: string, signal?: AbortSignal): Promise<DeletedVersion[]> =>
  listAll<DeletedVersion>(client, "/api/v1/registry/quarantine", "versions", imageId === "" ? {} : { imageId }, signal);

export const restoreImageVersion = (client: Client, id: string, reference: string): Promise<unknown> =>
  client.call(`/api/v1/images/${id}/versions/restore`, { method: "POST", body: { reference } });

export const restoreImage = (client: Client, id: string): Promise<Image> =>
  client.call(`/api/v1/images/${id}/restore`, { method: "POST", body: {} });

const versionPath = (id: string, reference: string): string => `/api/v1/images/${id}/versions/${encodeURIComponent(reference)}`;
