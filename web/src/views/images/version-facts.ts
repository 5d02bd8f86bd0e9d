// What a version is and is made of, as a page shows it. Pure.
import type { ImageManifest, ImageReferrer, ListedVersion, Cluster, Workload } from "../../api/records";
import { shortDigest } from "../../text/format";

/** A line of the build: a layer with its share of the largest, or a step that made none. */
export interface Step {
  command: string;
  digest: string;
  mediaType: string;
  sizeBytes: number;
  /** Of the largest layer, from 0 to 1. */
  share: number;
  createTime?: string | undefined;
}

/** Keys of which one has to have signed. */
export interface Demand {
  /** Whose demand it is: "the workload web". */
  whose: string;
  publicKeys: readonly string[];
}

const KINDS: Readonly<Record<string, string>> = {
  IMAGE_VERSION_KIND_IMAGE: "Image",
  IMAGE_VERSION_KIND_INDEX: "Multi-platform image",
};

const ARTIFACTS: readonly (readonly [RegExp, string])[] = [
  [/helm/, "Helm chart"],
  [/wasm/, "WebAssembly module"],
  [/spdx|cyclonedx|syft|sbom/, "SBOM"],
  [/signature|cosign|simplesigning/, "Signature"],
  [/in-toto|attestation|sigstore/, "Attestation"],
];

/** What a version is, in a word or two. */
export function kindOf(version: Pick<ListedVersion, "kind" | "artifactType">): string {
  const known = KINDS[version.kind ?? ""];
  if (known) return known;
  const type = (version.artifactType ?? "").toLowerCase();
  return ARTIFACTS.find(([pattern]) => pattern.test(type))?.[1] ?? "Artifact";
}

/** What people call it: its tags, else the beginning of its digest. */
export function nameOf(version: Pick<ListedVersion, "digest" | "tags">): string {
  return version.tags?.[0] ?? shortDigest(version.digest);
}

/** The history with the layers it made; the layers alone where there is no history, or it does not fit them. */
export function stepsOf(manifest: ImageManifest): Step[] {
  const layers = manifest.layers ?? [];
  const largest = Math.max(1, ...layers.map(({ sizeBytes }) => Number(sizeBytes ?? 0)));
  const byDigest = layers.map((layer) => ({ digest: layer.digest ?? "", mediaType: layer.mediaType ?? "", sizeBytes: Number(layer.sizeBytes ?? 0), share: Number(layer.sizeBytes ?? 0) / largest }));
  const history = manifest.config?.history ?? [];
  if (history.filter(({ layerDigest }) => layerDigest).length !== layers.length) {
    return byDigest.map((layer, at) => ({ ...layer, command: layers[at]?.annotations?.["org.opencontainers.image.title"] ?? layers[at]?.annotations?.["in-toto.io/predicate-type"] ?? "" }));
  }
  let next = 0;
  return history.map((entry) => {
    const layer = entry.layerDigest ? byDigest[next++] : undefined;
    return { command: commandOf(entry.createdBy ?? ""), createTime: entry.createTime, ...(layer ?? { digest: "", mediaType: "", sizeBytes: 0, share: 0 }) };
  });
}

/** The command without what builders put around it. */
export function commandOf(createdBy: string): string {
  return createdBy
    .replace(/^\/bin\/sh -c #\(nop\)\s*/, "")
    .replace(/^(?:RUN )?\/bin\/sh -c\s+/, "RUN ")
    .replace(/\s*# buildkit$/, "")
    .trim();
}

/** The parts of an index that run somewhere; of anything else it alone. */
export function runnable(manifests: readonly ImageManifest[]): ImageManifest[] {
  const parts = manifests.filter(({ attests }) => !attests);
  return parts.length > 0 ? parts : [...manifests];
}

/** What a part is called among the others. */
export function partName(part: ImageManifest): string {
  return part.platform ? part.platform : shortDigest(part.digest);
}

const REFERRERS: Readonly<Record<string, string>> = {
  IMAGE_REFERRER_KIND_SIGNATURE: "Signature",
  IMAGE_REFERRER_KIND_SBOM: "SBOM",
  IMAGE_REFERRER_KIND_ATTESTATION: "Attestation",
};

/** One line about something that is about the version. */
export interface About {
  id: string;
  what: string;
  type: string;
  sizeBytes: number;
  /** What it is about, where that is only a part. */
  of: string;
}

/** Referrers, and the attestations that a builder put into the index. */
export function aboutVersion(referrers: readonly ImageReferrer[], manifests: readonly ImageManifest[]): About[] {
  const names = new Map(manifests.map((part) => [part.digest, partName(part)]));
  const built = manifests.filter(({ attests }) => attests).flatMap((part) => {
    const predicates = (part.layers ?? []).map(({ annotations }) => annotations?.["in-toto.io/predicate-type"] ?? "").filter((type) => type !== "");
    const sbom = predicates.some((type) => /spdx|cyclonedx/i.test(type));
    return [{ id: part.digest, what: sbom ? "SBOM" : "Attestation", type: predicates.length > 0 ? predicates.join(", ") : (part.mediaType ?? ""), sizeBytes: Number(part.sizeBytes ?? 0), of: names.get(part.attests ?? "") ?? shortDigest(part.attests) }];
  });
  const referring = referrers.map(({ digest, kind, artifactType, tag, sizeBytes }) => ({
    id: digest,
    what: REFERRERS[kind ?? ""] ?? "Other",
    type: tag ? `tagged ${tag}` : (artifactType ?? ""),
    sizeBytes: Number(sizeBytes ?? 0),
    of: "",
  }));
  return [...referring, ...built];
}

/** The lines that pull a version: by its newest tag, and by its digest, which never changes. */
export function pullLine(target: string, reference: string): string {
  return `docker pull ${target}${reference.includes(":") ? "@" : ":"}${reference}`;
}

/** The signatures that a rollout of this image to its workload has to have. */
export function demandsOn(workload: Pick<Workload, "name" | "signaturePolicy"> | undefined, cluster: Pick<Cluster, "name" | "signaturePolicy"> | undefined): Demand[] {
  const named = [
    ["cluster", cluster],
    ["workload", workload],
  ] as const;
  return named.flatMap(([kind, one]) => (one?.signaturePolicy?.required ? [{ whose: `the ${kind} ${one.name}`, publicKeys: one.signaturePolicy.publicKeys ?? [] }] : []));
}
