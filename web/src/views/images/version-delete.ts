// The question before a version is deleted. Pure.
import type { Image, ListedVersion } from "../../api/records";
import type { Question } from "../../elements/confirm-dialog";
import { bytes, shortDigest } from "../../text/format";
import { kindOf, nameOf } from "./version-facts";

export function askToDelete(image: Image, version: ListedVersion, act: () => Promise<unknown>): Question {
  const tags = version.tags ?? [];
  return {
    heading: `Delete version ${nameOf(version)}?`,
    text: "It cannot be pulled any more. It can be restored until its quarantine ends. This is refused while a cluster runs it, or could roll back to it.",
    dies: [`${kindOf(version)} ${shortDigest(version.digest)} of ${image.repository ?? image.name}, ${bytes(version.sizeBytes)}`, ...tags.slice(0, 10).map((tag) => `The tag ${tag}`), ...(tags.length > 10 ? [`and ${tags.length - 10} more tags`] : [])],
    verb: "Delete version",
    act: async () => {
      await act();
    },
  };
}
