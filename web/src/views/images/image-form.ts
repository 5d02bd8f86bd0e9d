// An image's settings as a form holds them, and back. Pure.
import type { Image, ImageSettings, RetentionRule } from "../../api/records";
import type { Row } from "../../elements/row-editor";

const GIB = 1024 ** 3;

export interface ImageForm {
  description: string;
  public: boolean;
  /** GiB; empty is no limit. */
  quota: string;
  immutable: readonly Row[];
  retention: readonly Row[];
}

export function formOf(image: Image): ImageForm {
  const quota = Number(image.quotaBytes ?? 0);
  return {
    description: image.description ?? "",
    public: image.public ?? false,
    quota: quota === 0 ? "" : String(Number((quota / GIB).toFixed(3))),
    immutable: (image.immutableTags ?? []).map((pattern) => ({ pattern })),
    retention: (image.retention ?? []).map(({ tagPattern, keepLast, keepDays }) => ({
      pattern: tagPattern ?? "*",
      last: keepLast ? String(keepLast) : "",
      days: keepDays ? String(keepDays) : "",
    })),
  };
}

export function rulesOf(form: ImageForm): RetentionRule[] {
  return form.retention.map(({ pattern, last, days }) => ({ tagPattern: pattern?.trim() ? pattern.trim() : "*", keepLast: whole(last), keepDays: whole(days) }));
}

/** What differs from the image; undefined where nothing does. */
export function changesOf(image: Image, form: ImageForm): Partial<ImageSettings> | undefined {
  const before = wishOf(formOf(image));
  const changed = Object.entries(wishOf(form)).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name as keyof ImageSettings]));
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

/** What is wrong before the server is asked, by `row.key` of the rules. */
export function missing(form: ImageForm): ReadonlyMap<string, string> {
  const wrong = form.retention.flatMap(({ last, days }, at) => (whole(last) === 0 && whole(days) === 0 ? [[`${at}.last`, "Keep some, or delete the rule"] as const] : []));
  return new Map(wrong);
}

function wishOf(form: ImageForm): ImageSettings {
  return {
    description: form.description.trim(),
    public: form.public,
    quotaBytes: String(Math.round(Number(form.quota === "" ? 0 : form.quota) * GIB)),
    immutableTags: form.immutable.map(({ pattern }) => (pattern ?? "").trim()).filter((pattern) => pattern !== ""),
    retention: rulesOf(form),
  };
}

function whole(text: string | undefined): number {
  const number = Math.round(Number(text ?? ""));
  return Number.isFinite(number) && number > 0 ? number : 0;
}
