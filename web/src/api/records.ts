// The records of the API under the names the dashboard uses. Their shapes are made from the contract (schema.ts); what is
// added here is only what the contract cannot say: which output fields every answer has.
// Fields that hold their proto default may be absent in JSON, so all others are optional; int64 are decimal strings, times
// RFC 3339 strings, enums their full proto names.
import type { components } from "./schema";

type Schemas = components["schemas"];
/** These fields are always there. */
type With<T, Key extends keyof T> = T & { [K in Key]-?: NonNullable<T[K]> };

/** What every resource has. */
export interface Resource {
  readonly id: string;
  name: string;
  readonly deleteTime?: string;
}

export type Condition = Schemas["Condition"];
export type Identity = With<Schemas["Identity"], "id" | "name">;

/** The answer of Login and RefreshSession. */
export type TokenPair = With<Omit<Schemas["LoginResponse"], "challenge">, "accessToken" | "refreshToken"> & { identity: Identity };

/** What Login answers instead of tokens where a second factor has to follow. */
export type LoginChallenge = With<Schemas["LoginChallenge"], "token" | "factors">;
export type FactorKind = Schemas["FactorKind"];
/** A challenge with the WebAuthn options that belong to it. */
export type PasskeyChallenge = With<Schemas["BeginPasskeyResponse"], "challenge" | "options">;

export type PermissionResult = With<Schemas["PermissionResult"], "permission">;
export type Passkey = With<Schemas["Passkey"], "id">;
export type Factors = Omit<Schemas["Factors"], "passkeys"> & { passkeys?: Passkey[] };
export type FactorPolicy = Schemas["FactorPolicy"];
export type Proof = Schemas["Proof"];
export type TotpSecret = With<Schemas["BeginTotpResponse"], "secret" | "uri">;
export type LoginSession = With<Schemas["Session"], "id">;

export type Cluster = With<Schemas["Cluster"], "id">;
export type ClusterSignaturePolicy = Schemas["ClusterSignaturePolicy"];
export type CreatedCluster = Schemas["CreateClusterResponse"] & { cluster: Cluster };
export type Node = With<Schemas["Node"], "id" | "name" | "clusterId">;

export type Workload = With<Schemas["Workload"], "id">;
export type WorkloadStatus = Schemas["WorkloadStatus"];
export type WorkloadVersion = Omit<With<Schemas["WorkloadVersion"], "generation">, "workload"> & { workload?: Workload };
export type WorkloadDomain = Schemas["WorkloadDomain"];
export type Resources = Schemas["Resources"];
export type HealthCheck = Schemas["HealthCheck"];
export type UpdateStrategy = Schemas["UpdateStrategy"];
export type PublishedPort = Schemas["PublishedPort"];
export type SignaturePolicy = Schemas["SignaturePolicy"];

type Settings = "name" | "labels" | "description" | "image" | "tag" | "deployOnPush" | "replicas" | "mode" | "category" | "webPort" | "domains" | "environment" | "command" | "arguments" | "publishedPorts";

/** What a person can wish for in a workload: the fields that a create or update carries. `null` takes a part away. */
export type WorkloadWish = Required<Pick<Workload, Settings | "clusterId">> & {
  resources: Resources | null;
  healthCheck: HealthCheck | null;
  updateStrategy: UpdateStrategy | null;
  signaturePolicy: SignaturePolicy | null;
};

export type Deployment = With<Schemas["Deployment"], "id" | "name" | "clusterId" | "workloadId">;
export type Image = With<Schemas["Image"], "id">;
/** A tag, as an image's own record tells it. */
export type ImageVersion = Schemas["ImageVersion"];
export type ListedVersion = With<ImageVersion, "digest">;
export type ImageManifest = With<Schemas["ImageManifest"], "digest">;
export type ImageConfig = Schemas["ImageConfig"];
export type ImageReferrer = With<Schemas["ImageReferrer"], "digest">;
export type VersionDetails = Omit<Schemas["GetImageVersionResponse"], "version" | "manifests" | "referrers"> & { version: ListedVersion; manifests?: ImageManifest[]; referrers?: ImageReferrer[] };
export type DeletedVersion = With<Schemas["DeletedImageVersion"], "id" | "imageId" | "kind" | "reference">;
export type RetentionRule = Schemas["RetentionRule"];
export type RetentionPreview = Schemas["PreviewRetentionResponse"];
/** What a person can set of an image. */
export type ImageSettings = Required<Pick<Image, "description" | "public" | "quotaBytes" | "immutableTags" | "retention">>;
export type SignatureVerdict = Schemas["VerifySignaturesResponse"];
/** What an announced version came to at each workload that follows the image. */
export type Announced = Schemas["AnnounceImageResponse"];
export type AnnouncedRollout = Schemas["AnnouncedRollout"];
export type RegistryUsage = Schemas["GetRegistryUsageResponse"];
export type ExternalRegistry = With<Schemas["ExternalRegistry"], "id">;
/** What a person can set of one; the password is written and never read. */
export type ExternalRegistryWish = Required<Pick<ExternalRegistry, "name" | "url" | "description" | "type" | "username" | "isDefault" | "cachePrefix" | "cacheTtlSeconds" | "cacheDays">> & { password: string };

export type Webhook = With<Schemas["Webhook"], "id">;
export type WebhookEvent = Schemas["WebhookEvent"];
export type WebhookFormat = Schemas["WebhookFormat"];
export type WebhookDelivery = With<Schemas["WebhookDelivery"], "id">;
/** What a person can set of a webhook. */
export type WebhookWish = Required<Pick<Webhook, "name" | "url" | "description" | "allowHttp" | "caCertificates" | "format" | "events" | "repositories">>;
/** `secret` is absent in the answer to a request that is repeated. */
export type CreatedWebhook = Schemas["CreateWebhookResponse"] & { webhook: Webhook };

export type Execution = With<Schemas["Execution"], "id">;

export type User = With<Schemas["User"], "id">;
export type Invitation = With<Schemas["Invitation"], "id">;
/** A one-time link; `link` is absent in the answer to a request that is repeated. */
export type IssuedLink = Schemas["CreateInvitationResponse"] & { invitation: Invitation };

export type ApiToken = With<Schemas["ApiToken"], "id">;
/** What a token is made with. */
export type ApiTokenWish = Pick<Schemas["ApiToken"], "name" | "ownerId" | "roles" | "permissions" | "clusterIds" | "workloadIds" | "repositories" | "expireTime" | "neverExpires">;
/** `secret` is absent in the answer to a request that is repeated. */
export type CreatedApiToken = Schemas["CreateApiTokenResponse"] & { token: ApiToken };

export type Setting = With<Schemas["Setting"], "key" | "provider">;
export type MasterKey = With<Schemas["MasterKey"], "id">;
export type SigningKey = With<Schemas["SigningKey"], "kid">;

/** What a test of the connection to a provider found. */
export type ConnectionTest = With<Schemas["ConnectionTest"], "provider">;
export type CheckOutcome = Schemas["CheckOutcome"];
/** A new value; empty clears the setting. `etag` is what was read. */
export type SettingUpdate = Required<Schemas["SettingUpdate"]>;

export type AuditEntry = With<Schemas["AuditEntry"], "id">;
export type AuditResource = Schemas["AuditResource"];
export type AuditVerification = Schemas["VerifyAuditLogResponse"];

export type OidcProvider = With<Schemas["OidcProvider"], "id">;
/** What a person can wish for in a provider. */
export type OidcWish = Required<
  Pick<OidcProvider, "name" | "displayName" | "issuer" | "clientId" | "scopes" | "groupsClaim" | "roleMappings" | "defaultRoles" | "autoCreate" | "emailDomains" | "trustsSecondFactor" | "disabled">
> & { clientSecret?: string };
export type OidcReport = Schemas["TestOidcProviderResponse"];
export type OidcIdentity = With<Schemas["OidcIdentity"], "id">;

/** A page of a list: the items under the resource's plural name. */
export type Page<Key extends string, Item> = Partial<Record<Key, Item[]>> & { nextPageToken?: string };
