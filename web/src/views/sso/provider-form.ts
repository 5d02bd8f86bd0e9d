// What the form of an identity provider holds, as text, and the wish that it makes.
import type { OidcProvider, OidcWish } from "../../api/records";
import type { Row } from "../../elements/row-editor";

export interface Draft {
  name: string;
  displayName: string;
  issuer: string;
  clientId: string;
  clientSecret: string;
  scopes: string;
  groupsClaim: string;
  mappings: readonly Row[];
  defaultRoles: readonly string[];
  emailDomains: string;
  options: readonly string[];
}

export const OPTIONS = [
  { value: "autoCreate", label: "Make users", hint: "for whoever logs in and is not known yet" },
  { value: "trustsSecondFactor", label: "Trust its second factor", hint: "Cloudly asks for none after it" },
  { value: "disabled", label: "Disabled", hint: "nobody logs in by it" },
] as const;

export function draftOf(provider: OidcProvider | undefined): Draft {
  return {
    name: provider?.name ?? "",
    displayName: provider?.displayName ?? "",
    issuer: provider?.issuer ?? "",
    clientId: provider?.clientId ?? "",
    clientSecret: "",
    scopes: (provider?.scopes ?? []).join(" "),
    groupsClaim: provider?.groupsClaim ?? "",
    mappings: (provider?.roleMappings ?? []).map(({ group, role }) => ({ group, role })),
    defaultRoles: provider?.defaultRoles ?? [],
    emailDomains: (provider?.emailDomains ?? []).join(" "),
    options: OPTIONS.map(({ value }) => value).filter((value) => provider?.[value] ?? false),
  };
}

/** The wish; the secret is in it only where one was typed in: what is kept stays. */
export function wishOf(draft: Draft): OidcWish {
  return {
    name: draft.name.trim(),
    displayName: draft.displayName.trim(),
    issuer: draft.issuer.trim(),
    clientId: draft.clientId.trim(),
    ...(draft.clientSecret === "" ? {} : { clientSecret: draft.clientSecret }),
    scopes: words(draft.scopes),
    groupsClaim: draft.groupsClaim.trim(),
    roleMappings: draft.mappings.filter(({ group }) => group !== "").map(({ group = "", role = "" }) => ({ group, role })),
    defaultRoles: [...draft.defaultRoles],
    autoCreate: draft.options.includes("autoCreate"),
    emailDomains: words(draft.emailDomains),
    trustsSecondFactor: draft.options.includes("trustsSecondFactor"),
    disabled: draft.options.includes("disabled"),
  };
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
