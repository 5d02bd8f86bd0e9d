import { expect, it } from "vitest";

import type { ImageManifest } from "../../api/records";
import { aboutVersion, commandOf, demandsOn, kindOf, nameOf, pullLine, runnable, stepsOf } from "./version-facts";

const A = `sha256:${"a".repeat(64)}`;
const B = `sha256:${"b".repeat(64)}`;
const layers = [
  { digest: A, mediaType: "tar", sizeBytes: "400" },
  { digest: B, mediaType: "tar+gzip", sizeBytes: "100" },
];

it("ties each step of the history to the layer it made", () => {
  const history = [{ createdBy: "ADD base /", layerDigest: A }, { createdBy: "ENV A=1" }, { createdBy: "COPY . /app # buildkit", layerDigest: B }];
  const steps = stepsOf({ digest: A, layers, config: { history } });
  expect(steps.map(({ command, digest, share }) => [command, digest, share])).toEqual([
    ["ADD base /", A, 1],
    ["ENV A=1", "", 0],
    ["COPY . /app", B, 0.25],
  ]);
});

it("shows the layers alone where the history does not fit them", () => {
  const steps = stepsOf({ digest: A, layers, config: { history: [{ createdBy: "squashed", layerDigest: A }] } });
  expect(steps.map(({ command, digest }) => [command, digest])).toEqual([["", A], ["", B]]);
  const files = [{ digest: A, sizeBytes: "1", annotations: { "org.opencontainers.image.title": "chart.tgz" } }];
  expect(stepsOf({ digest: A, layers: files })[0]?.command).toBe("chart.tgz");
  expect(stepsOf({ digest: A })).toEqual([]);
});

it("takes off what builders put around commands", () => {
  expect(commandOf("/bin/sh -c #(nop)  CMD [\"sh\"]")).toBe("CMD [\"sh\"]");
  expect(commandOf("RUN /bin/sh -c apk add curl # buildkit")).toBe("RUN apk add curl");
  expect(commandOf("/bin/sh -c make")).toBe("RUN make");
});

it("says what a version is and how to pull it", () => {
  const kinds = ["application/vnd.cncf.helm.config.v1+json", "application/spdx+json", "application/vnd.cncf.notary.signature", "x/y", undefined];
  expect(kinds.map((artifactType) => kindOf({ kind: "IMAGE_VERSION_KIND_ARTIFACT", ...(artifactType ? { artifactType } : {}) }))).toEqual(["Helm chart", "SBOM", "Signature", "Artifact", "Artifact"]);
  expect(kindOf({ kind: "IMAGE_VERSION_KIND_INDEX" })).toBe("Multi-platform image");
  expect([nameOf({ digest: A, tags: ["v2", "v1"] }), nameOf({ digest: A })]).toEqual(["v2", "a".repeat(12)]);
  expect([pullLine("host/app", "v1"), pullLine("host/app", A)]).toEqual(["docker pull host/app:v1", `docker pull host/app@${A}`]);
});

it("keeps attestations apart from what runs, and says what they are about", () => {
  const manifests: ImageManifest[] = [
    { digest: A, platform: "linux/amd64" },
    { digest: B, attests: A, sizeBytes: "9", layers: [{ annotations: { "in-toto.io/predicate-type": "https://spdx.dev/Document" } }] },
  ];
  expect(runnable(manifests).map(({ digest }) => digest)).toEqual([A]);
  expect(runnable([{ digest: B, attests: A }])).toHaveLength(1);
  const about = aboutVersion([{ digest: A, kind: "IMAGE_REFERRER_KIND_SIGNATURE", tag: "sha256-x.sig" }], manifests);
  expect(about.map(({ what, type, of }) => [what, type, of])).toEqual([
    ["Signature", "tagged sha256-x.sig", ""],
    ["SBOM", "https://spdx.dev/Document", "linux/amd64"],
  ]);
});

it("knows whose keys have to have signed", () => {
  expect(demandsOn(undefined, undefined)).toEqual([]);
  expect(demandsOn({ name: "web", signaturePolicy: { publicKeys: ["key"] } }, undefined)).toEqual([]);
  expect(demandsOn({ name: "web", signaturePolicy: { required: true, publicKeys: ["key"] } }, { name: "east", signaturePolicy: { required: true, publicKeys: ["ours"] } })).toEqual([
    { whose: "the cluster east", publicKeys: ["ours"] },
    { whose: "the workload web", publicKeys: ["key"] },
  ]);
});
