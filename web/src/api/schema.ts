// Made by `npm run api` from the contract's OpenAPI. Not edited by hand.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        AcceptInvitationRequest: {
            token: string;
            password: string;
        };
        AcceptInvitationResponse: {
            identity?: components["schemas"]["Identity"];
            accessToken?: string;
            refreshToken?: string;
        };
        /** @enum {string} */
        AgentState: "AGENT_STATE_UNSPECIFIED" | "AGENT_STATE_AWAITED" | "AGENT_STATE_ONLINE" | "AGENT_STATE_OFFLINE";
        AnnounceImageRequest: {
            image: string;
        };
        AnnounceImageResponse: {
            rollouts?: components["schemas"]["AnnouncedRollout"][];
            digest?: string;
        };
        AnnouncedRollout: {
            workloadId?: string;
            workloadName?: string;
            clusterId?: string;
            outcome?: components["schemas"]["AnnouncementOutcome"];
            reason?: string;
        };
        /** @enum {string} */
        AnnouncementOutcome: "ANNOUNCEMENT_OUTCOME_UNSPECIFIED" | "ANNOUNCEMENT_OUTCOME_DEPLOYED" | "ANNOUNCEMENT_OUTCOME_UNCHANGED" | "ANNOUNCEMENT_OUTCOME_HELD" | "ANNOUNCEMENT_OUTCOME_SKIPPED";
        ApiToken: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            ownerId?: string;
            readonly ownerName?: string;
            roles?: string[];
            permissions?: string[];
            clusterIds?: string[];
            workloadIds?: string[];
            repositories?: string[];
            /** Format: date-time */
            expireTime?: string;
            neverExpires?: boolean;
            /** Format: date-time */
            readonly lastUseTime?: string;
            readonly lastUseAddress?: string;
        };
        AuditActor: {
            id?: string;
            name?: string;
            type?: string;
            roles?: string[];
            clusterId?: string;
            sessionId?: string;
            via?: string;
        };
        AuditBreak: {
            kind?: components["schemas"]["AuditBreakKind"];
            /** Format: uint64 */
            sequence?: string;
            message?: string;
        };
        /** @enum {string} */
        AuditBreakKind: "AUDIT_BREAK_KIND_UNSPECIFIED" | "AUDIT_BREAK_KIND_CUT" | "AUDIT_BREAK_KIND_EDITED" | "AUDIT_BREAK_KIND_FORKED" | "AUDIT_BREAK_KIND_REWRITTEN";
        AuditChange: {
            resource?: components["schemas"]["AuditResource"];
            etagBefore?: string;
            etagAfter?: string;
        };
        AuditEntry: {
            id?: string;
            /** Format: uint64 */
            sequence?: string;
            previousHash?: string;
            hash?: string;
            /** Format: date-time */
            time?: string;
            actor?: components["schemas"]["AuditActor"];
            service?: string;
            method?: string;
            resource?: components["schemas"]["AuditResource"];
            changes?: components["schemas"]["AuditChange"][];
            changesLeftOff?: number;
            remoteAddress?: string;
            userAgent?: string;
            result?: components["schemas"]["AuditResult"];
            reason?: string;
            requestId?: string;
            tookMs?: number;
            request?: string;
            count?: number;
        };
        AuditResource: {
            kind?: string;
            id?: string;
            name?: string;
        };
        /** @enum {string} */
        AuditResult: "AUDIT_RESULT_UNSPECIFIED" | "AUDIT_RESULT_DONE" | "AUDIT_RESULT_DENIED" | "AUDIT_RESULT_FAILED" | "AUDIT_RESULT_UNKNOWN";
        BaseosNode: {
            id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            readonly state?: components["schemas"]["NodeState"];
            readonly architecture?: string;
            /** Format: date-time */
            readonly lastHeartbeatTime?: string;
            readonly runtimeInfo?: {
                [key: string]: unknown;
            };
            desiredState?: {
                [key: string]: unknown;
            };
        };
        BaseosNodePatch: {
            id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            readonly state?: components["schemas"]["NodeState"];
            readonly architecture?: string;
            /** Format: date-time */
            readonly lastHeartbeatTime?: string;
            readonly runtimeInfo?: {
                [key: string]: unknown;
            };
            desiredState?: {
                [key: string]: unknown;
            };
        };
        BeginPasskeyLoginRequest: Record<string, never>;
        BeginPasskeyLoginResponse: {
            challenge?: string;
            options?: string;
        };
        BeginPasskeyRequest: {
            proof?: components["schemas"]["Proof"];
        };
        BeginPasskeyResponse: {
            challenge?: string;
            options?: string;
        };
        BeginProofRequest: Record<string, never>;
        BeginProofResponse: {
            challenge?: string;
            options?: string;
        };
        BeginTotpRequest: {
            proof?: components["schemas"]["Proof"];
        };
        BeginTotpResponse: {
            secret?: string;
            uri?: string;
        };
        CancelExecutionRequest: Record<string, never>;
        ChangePasswordRequest: {
            oldPassword: string;
            newPassword: string;
        };
        ChangePasswordResponse: Record<string, never>;
        CheckExternalRegistryRequest: Record<string, never>;
        /** @enum {string} */
        CheckOutcome: "CHECK_OUTCOME_UNSPECIFIED" | "CHECK_OUTCOME_PASSED" | "CHECK_OUTCOME_FAILED" | "CHECK_OUTCOME_NOT_CHECKED";
        CheckRegistryRequest: {
            deep?: boolean;
            repair?: boolean;
        };
        Cluster: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            setupMode?: components["schemas"]["SetupMode"];
            readonly identityId?: string;
            readonly agentState?: components["schemas"]["AgentState"];
            /** Format: date-time */
            readonly agentStateTime?: string;
            readonly agentVersion?: string;
            /** Format: int64 */
            readonly revision?: string;
            /** Format: int64 */
            readonly appliedRevision?: string;
            readonly conditions?: components["schemas"]["Condition"][];
            readonly nodeCount?: number;
            readonly workloadCount?: number;
            signaturePolicy?: components["schemas"]["ClusterSignaturePolicy"];
        };
        ClusterPatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            setupMode?: components["schemas"]["SetupMode"];
            readonly identityId?: string;
            readonly agentState?: components["schemas"]["AgentState"];
            /** Format: date-time */
            readonly agentStateTime?: string;
            readonly agentVersion?: string;
            /** Format: int64 */
            readonly revision?: string;
            /** Format: int64 */
            readonly appliedRevision?: string;
            readonly conditions?: components["schemas"]["Condition"][];
            readonly nodeCount?: number;
            readonly workloadCount?: number;
            signaturePolicy?: components["schemas"]["ClusterSignaturePolicy"];
        };
        ClusterSignaturePolicy: {
            required?: boolean;
            publicKeys?: string[];
            allowedImages?: string[];
        };
        CollectGarbageRequest: {
            dryRun?: boolean;
        };
        CompleteLoginRequest: {
            challenge: string;
            code?: string;
            credential?: string;
        };
        CompleteLoginResponse: {
            identity?: components["schemas"]["Identity"];
            accessToken?: string;
            refreshToken?: string;
        };
        CompleteOidcLinkRequest: {
            code: string;
            verifier: string;
        };
        CompleteOidcLinkResponse: {
            linked?: components["schemas"]["OidcIdentity"];
        };
        CompleteOidcLoginRequest: {
            code: string;
            verifier: string;
        };
        CompleteOidcLoginResponse: {
            identity?: components["schemas"]["Identity"];
            accessToken?: string;
            refreshToken?: string;
            challenge?: components["schemas"]["LoginChallenge"];
        };
        Condition: {
            type?: string;
            status?: components["schemas"]["ConditionStatus"];
            reason?: string;
            message?: string;
            /** Format: date-time */
            lastTransitionTime?: string;
        };
        /** @enum {string} */
        ConditionStatus: "CONDITION_STATUS_UNSPECIFIED" | "CONDITION_STATUS_TRUE" | "CONDITION_STATUS_FALSE" | "CONDITION_STATUS_UNKNOWN";
        ConfirmTotpRequest: {
            code: string;
        };
        ConfirmTotpResponse: {
            factors?: components["schemas"]["Factors"];
            recoveryCodes?: components["schemas"]["RecoveryCode"][];
        };
        ConnectionTest: {
            provider?: string;
            target?: string;
            ok?: boolean;
            reachable?: components["schemas"]["CheckOutcome"];
            authenticated?: components["schemas"]["CheckOutcome"];
            permitted?: components["schemas"]["CheckOutcome"];
            roundTripMilliseconds?: number;
            message?: string;
            action?: string;
            requestId?: string;
        };
        CreateApiTokenRequest: {
            token: components["schemas"]["ApiToken"];
            requestId?: string;
        };
        CreateApiTokenResponse: {
            token?: components["schemas"]["ApiToken"];
            secret?: string;
        };
        CreateClusterRequest: {
            cluster: components["schemas"]["Cluster"];
            requestId?: string;
        };
        CreateClusterResponse: {
            cluster?: components["schemas"]["Cluster"];
            jumpCode?: string;
        };
        CreateInvitationRequest: {
            invitation: components["schemas"]["Invitation"];
            lifetimeHours?: number;
            requestId?: string;
        };
        CreateInvitationResponse: {
            invitation?: components["schemas"]["Invitation"];
            link?: string;
            mailed?: boolean;
            mailProblem?: string;
        };
        CreateJoinTokenRequest: {
            joinToken?: components["schemas"]["JoinToken"];
            requestId?: string;
        };
        CreateJoinTokenResponse: {
            joinToken?: components["schemas"]["JoinToken"];
            token?: string;
        };
        CreatePasskeyRequest: {
            challenge: string;
            credential: string;
            name: string;
            requestId?: string;
        };
        CreatePasskeyResponse: {
            passkey?: components["schemas"]["Passkey"];
            recoveryCodes?: components["schemas"]["RecoveryCode"][];
        };
        CreateUserRequest: {
            user: components["schemas"]["User"];
            requestId?: string;
        };
        CreateWebhookResponse: {
            webhook?: components["schemas"]["Webhook"];
            secret?: string;
        };
        DeleteBaseosNodeResponse: Record<string, never>;
        DeleteClusterResponse: Record<string, never>;
        DeleteExternalRegistryResponse: Record<string, never>;
        DeleteImageResponse: Record<string, never>;
        DeleteImageVersionResponse: Record<string, never>;
        DeleteJoinTokenResponse: Record<string, never>;
        DeleteOidcProviderResponse: Record<string, never>;
        DeletePolicyResponse: Record<string, never>;
        DeleteUserResponse: Record<string, never>;
        DeleteWebhookResponse: Record<string, never>;
        DeleteWorkloadResponse: Record<string, never>;
        DeletedImageVersion: {
            id?: string;
            imageId?: string;
            kind?: string;
            reference?: string;
            digest?: string;
            /** Format: int64 */
            sizeBytes?: string;
            reason?: string;
            deletedBy?: string;
            /** Format: date-time */
            deleteTime?: string;
            /** Format: date-time */
            expireTime?: string;
            tags?: string[];
        };
        Deployment: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            clusterId?: string;
            workloadId?: string;
            nodeId?: string;
            containerId?: string;
            image?: string;
            imageDigest?: string;
            /** Format: int64 */
            workloadGeneration?: string;
            state?: components["schemas"]["DeploymentState"];
            health?: components["schemas"]["Health"];
            reason?: string;
            message?: string;
            logTail?: string[];
            /** Format: date-time */
            startTime?: string;
        };
        /** @enum {string} */
        DeploymentState: "DEPLOYMENT_STATE_UNSPECIFIED" | "DEPLOYMENT_STATE_SCHEDULED" | "DEPLOYMENT_STATE_STARTING" | "DEPLOYMENT_STATE_RUNNING" | "DEPLOYMENT_STATE_STOPPING" | "DEPLOYMENT_STATE_STOPPED" | "DEPLOYMENT_STATE_FAILED";
        DropPreviousMasterKeysRequest: {
            requestId?: string;
        };
        ExchangeTokenRequest: {
            token: string;
            audience?: string;
        };
        ExchangeTokenResponse: {
            identity?: components["schemas"]["Identity"];
            accessToken?: string;
        };
        Execution: {
            id?: string;
            task?: string;
            state?: components["schemas"]["ExecutionState"];
            /** Format: date-time */
            createTime?: string;
            /** Format: date-time */
            startTime?: string;
            /** Format: date-time */
            endTime?: string;
            attempt?: number;
            progress?: components["schemas"]["Progress"];
            trigger?: string;
            actor?: string;
            parameters?: {
                [key: string]: unknown;
            };
            result?: {
                [key: string]: unknown;
            };
            error?: string;
            cancelRequested?: boolean;
            etag?: string;
        };
        /** @enum {string} */
        ExecutionState: "EXECUTION_STATE_UNSPECIFIED" | "EXECUTION_STATE_QUEUED" | "EXECUTION_STATE_RUNNING" | "EXECUTION_STATE_SUCCEEDED" | "EXECUTION_STATE_FAILED" | "EXECUTION_STATE_CANCELLED";
        ExternalRegistry: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            description?: string;
            type?: components["schemas"]["ExternalRegistryType"];
            url: string;
            username?: string;
            password?: string;
            readonly hasPassword?: boolean;
            readonly server?: string;
            isDefault?: boolean;
            readonly status?: components["schemas"]["ExternalRegistryStatus"];
            readonly lastError?: string;
            /** Format: date-time */
            readonly checkTime?: string;
            cachePrefix?: string;
            cacheTtlSeconds?: number;
            cacheDays?: number;
        };
        ExternalRegistryPatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            description?: string;
            type?: components["schemas"]["ExternalRegistryType"];
            url?: string;
            username?: string;
            password?: string;
            readonly hasPassword?: boolean;
            readonly server?: string;
            isDefault?: boolean;
            readonly status?: components["schemas"]["ExternalRegistryStatus"];
            readonly lastError?: string;
            /** Format: date-time */
            readonly checkTime?: string;
            cachePrefix?: string;
            cacheTtlSeconds?: number;
            cacheDays?: number;
        };
        /** @enum {string} */
        ExternalRegistryStatus: "EXTERNAL_REGISTRY_STATUS_UNSPECIFIED" | "EXTERNAL_REGISTRY_STATUS_UNKNOWN" | "EXTERNAL_REGISTRY_STATUS_WORKING" | "EXTERNAL_REGISTRY_STATUS_DENIED" | "EXTERNAL_REGISTRY_STATUS_UNREACHABLE";
        /** @enum {string} */
        ExternalRegistryType: "EXTERNAL_REGISTRY_TYPE_UNSPECIFIED" | "EXTERNAL_REGISTRY_TYPE_DOCKER" | "EXTERNAL_REGISTRY_TYPE_NPM";
        /** @enum {string} */
        FactorKind: "FACTOR_KIND_UNSPECIFIED" | "FACTOR_KIND_TOTP" | "FACTOR_KIND_PASSKEY" | "FACTOR_KIND_RECOVERY_CODE";
        FactorPolicy: {
            requiredForAll?: boolean;
            requiredRoles?: string[];
            etag?: string;
            /** Format: date-time */
            readonly updateTime?: string;
        };
        FactorPolicyPatch: {
            requiredForAll?: boolean;
            requiredRoles?: string[];
            etag?: string;
            /** Format: date-time */
            readonly updateTime?: string;
        };
        Factors: {
            totp?: boolean;
            /** Format: date-time */
            totpCreateTime?: string;
            passkeys?: components["schemas"]["Passkey"][];
            recoveryCodesLeft?: number;
            required?: boolean;
            passkeysPossible?: boolean;
            password?: boolean;
        };
        FindImageBlobsResponse: {
            digests?: string[];
        };
        GetImageVersionResponse: {
            version?: components["schemas"]["ImageVersion"];
            manifests?: components["schemas"]["ImageManifest"][];
            manifestCount?: number;
            referrers?: components["schemas"]["ImageReferrer"][];
            partOf?: string[];
            pullReference?: string;
        };
        GetJwksResponse: {
            keys?: components["schemas"]["Jwk"][];
        };
        GetRegistryUsageResponse: {
            imageCount?: number;
            /** Format: uint64 */
            versionCount?: string;
            /** Format: uint64 */
            blobCount?: string;
            /** Format: int64 */
            blobBytes?: string;
            /** Format: int64 */
            imageBytes?: string;
            /** Format: uint64 */
            quarantineCount?: string;
            /** Format: uint64 */
            uploadCount?: string;
        };
        /** @enum {string} */
        Health: "HEALTH_UNSPECIFIED" | "HEALTH_HEALTHY" | "HEALTH_UNHEALTHY" | "HEALTH_UNKNOWN";
        HealthCheck: {
            command: string[];
            intervalSeconds?: number;
            timeoutSeconds?: number;
            retries?: number;
            startPeriodSeconds?: number;
        };
        HeartbeatRequest: {
            nodeId: string;
            nodeToken: string;
            runtimeInfo?: {
                [key: string]: unknown;
            };
        };
        HeartbeatResponse: {
            desiredState?: {
                [key: string]: unknown;
            };
            heartbeatIntervalMilliseconds?: number;
        };
        HeldImage: {
            digest?: string;
            tag?: string;
            pushedBy?: string;
            reason?: string;
        };
        Identity: {
            id?: string;
            name?: string;
            type?: components["schemas"]["IdentityType"];
            roles?: string[];
            clusterId?: string;
            /** Format: date-time */
            expireTime?: string;
            sessionId?: string;
            scope?: string;
            mustEnrol?: boolean;
        };
        /** @enum {string} */
        IdentityType: "IDENTITY_TYPE_UNSPECIFIED" | "IDENTITY_TYPE_HUMAN" | "IDENTITY_TYPE_MACHINE";
        Image: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            description?: string;
            repository?: string;
            readonly versions?: components["schemas"]["ImageVersion"][];
            readonly versionCount?: number;
            /** Format: int64 */
            readonly sizeBytes?: string;
            readonly workloadId?: string;
            public?: boolean;
            /** Format: int64 */
            quotaBytes?: string;
            immutableTags?: string[];
            retention?: components["schemas"]["RetentionRule"][];
            readonly target?: string;
        };
        ImageConfig: {
            /** Format: date-time */
            createTime?: string;
            author?: string;
            user?: string;
            entrypoint?: string[];
            command?: string[];
            workingDirectory?: string;
            environment?: components["schemas"]["ImageVariable"][];
            labels?: {
                [key: string]: string;
            };
            exposedPorts?: string[];
            volumes?: string[];
            stopSignal?: string;
            history?: components["schemas"]["ImageHistoryEntry"][];
        };
        ImageHistoryEntry: {
            /** Format: date-time */
            createTime?: string;
            createdBy?: string;
            comment?: string;
            author?: string;
            layerDigest?: string;
            /** Format: int64 */
            sizeBytes?: string;
        };
        ImageLayer: {
            digest?: string;
            mediaType?: string;
            /** Format: int64 */
            sizeBytes?: string;
            annotations?: {
                [key: string]: string;
            };
        };
        ImageManifest: {
            digest?: string;
            mediaType?: string;
            artifactType?: string;
            platform?: string;
            /** Format: int64 */
            sizeBytes?: string;
            annotations?: {
                [key: string]: string;
            };
            layers?: components["schemas"]["ImageLayer"][];
            config?: components["schemas"]["ImageConfig"];
            attests?: string;
            present?: boolean;
        };
        ImagePatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            description?: string;
            repository?: string;
            readonly versions?: components["schemas"]["ImageVersion"][];
            readonly versionCount?: number;
            /** Format: int64 */
            readonly sizeBytes?: string;
            readonly workloadId?: string;
            public?: boolean;
            /** Format: int64 */
            quotaBytes?: string;
            immutableTags?: string[];
            retention?: components["schemas"]["RetentionRule"][];
            readonly target?: string;
        };
        ImageReferrer: {
            digest?: string;
            kind?: components["schemas"]["ImageReferrerKind"];
            artifactType?: string;
            mediaType?: string;
            /** Format: int64 */
            sizeBytes?: string;
            /** Format: date-time */
            pushTime?: string;
            pushedBy?: string;
            annotations?: {
                [key: string]: string;
            };
            tag?: string;
        };
        /** @enum {string} */
        ImageReferrerKind: "IMAGE_REFERRER_KIND_UNSPECIFIED" | "IMAGE_REFERRER_KIND_SIGNATURE" | "IMAGE_REFERRER_KIND_SBOM" | "IMAGE_REFERRER_KIND_ATTESTATION" | "IMAGE_REFERRER_KIND_OTHER";
        ImageVariable: {
            name?: string;
            value?: string;
        };
        ImageVersion: {
            tag?: string;
            digest?: string;
            mediaType?: string;
            /** Format: int64 */
            sizeBytes?: string;
            /** Format: date-time */
            pushTime?: string;
            pushedBy?: string;
            platforms?: string[];
            tags?: string[];
            kind?: components["schemas"]["ImageVersionKind"];
            artifactType?: string;
            subject?: string;
            annotations?: {
                [key: string]: string;
            };
            pinnedBy?: string[];
        };
        /** @enum {string} */
        ImageVersionKind: "IMAGE_VERSION_KIND_UNSPECIFIED" | "IMAGE_VERSION_KIND_IMAGE" | "IMAGE_VERSION_KIND_INDEX" | "IMAGE_VERSION_KIND_ARTIFACT";
        ImportImageArchiveResponse: {
            digest?: string;
        };
        Invitation: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            roles?: string[];
            email?: string;
            readonly kind?: components["schemas"]["InvitationKind"];
            readonly state?: components["schemas"]["InvitationState"];
            /** Format: date-time */
            readonly expireTime?: string;
            readonly userId?: string;
            readonly invitedBy?: string;
        };
        /** @enum {string} */
        InvitationKind: "INVITATION_KIND_UNSPECIFIED" | "INVITATION_KIND_INVITE" | "INVITATION_KIND_RESET";
        /** @enum {string} */
        InvitationState: "INVITATION_STATE_UNSPECIFIED" | "INVITATION_STATE_PENDING" | "INVITATION_STATE_ACCEPTED" | "INVITATION_STATE_REVOKED" | "INVITATION_STATE_EXPIRED";
        IssueResetLinkRequest: {
            email?: string;
            lifetimeHours?: number;
        };
        IssueResetLinkResponse: {
            invitation?: components["schemas"]["Invitation"];
            link?: string;
            mailed?: boolean;
            mailProblem?: string;
        };
        JoinToken: {
            readonly id?: string;
            name?: string;
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            expireTime?: string;
            readonly uses?: number;
            maxUses?: number;
            etag?: string;
        };
        Jwk: {
            kty?: string;
            crv?: string;
            x?: string;
            kid?: string;
            alg?: string;
            use?: string;
        };
        ListApiTokensResponse: {
            tokens?: components["schemas"]["ApiToken"][];
            nextPageToken?: string;
        };
        ListAuditEntriesResponse: {
            entries?: components["schemas"]["AuditEntry"][];
            nextPageToken?: string;
        };
        ListBaseosNodesResponse: {
            nodes?: components["schemas"]["BaseosNode"][];
            nextPageToken?: string;
        };
        ListClustersResponse: {
            clusters?: components["schemas"]["Cluster"][];
            nextPageToken?: string;
        };
        ListDeletedImageVersionsResponse: {
            versions?: components["schemas"]["DeletedImageVersion"][];
            nextPageToken?: string;
        };
        ListDeploymentsResponse: {
            deployments?: components["schemas"]["Deployment"][];
            nextPageToken?: string;
        };
        ListExecutionsResponse: {
            executions?: components["schemas"]["Execution"][];
            nextPageToken?: string;
        };
        ListExternalRegistriesResponse: {
            externalRegistries?: components["schemas"]["ExternalRegistry"][];
            nextPageToken?: string;
        };
        ListImageVersionsResponse: {
            versions?: components["schemas"]["ImageVersion"][];
            nextPageToken?: string;
        };
        ListImagesResponse: {
            images?: components["schemas"]["Image"][];
            nextPageToken?: string;
        };
        ListInvitationsResponse: {
            invitations?: components["schemas"]["Invitation"][];
            nextPageToken?: string;
        };
        ListJoinTokensResponse: {
            joinTokens?: components["schemas"]["JoinToken"][];
            nextPageToken?: string;
        };
        ListLoginOptionsResponse: {
            providers?: components["schemas"]["LoginProvider"][];
            passkeys?: boolean;
            password?: boolean;
        };
        ListMasterKeysResponse: {
            masterKeys?: components["schemas"]["MasterKey"][];
        };
        ListNodesResponse: {
            nodes?: components["schemas"]["Node"][];
            nextPageToken?: string;
        };
        ListOidcIdentitiesResponse: {
            identities?: components["schemas"]["OidcIdentity"][];
        };
        ListOidcProvidersResponse: {
            oidcProviders?: components["schemas"]["OidcProvider"][];
            nextPageToken?: string;
        };
        ListPoliciesResponse: {
            policies?: components["schemas"]["Policy"][];
            nextPageToken?: string;
        };
        ListSessionsResponse: {
            sessions?: components["schemas"]["Session"][];
            nextPageToken?: string;
        };
        ListSettingsResponse: {
            settings?: components["schemas"]["Setting"][];
        };
        ListSigningKeysResponse: {
            signingKeys?: components["schemas"]["SigningKey"][];
        };
        ListTasksResponse: {
            tasks?: components["schemas"]["Task"][];
        };
        ListUserOidcIdentitiesResponse: {
            identities?: components["schemas"]["OidcIdentity"][];
            nextPageToken?: string;
        };
        ListUserSessionsResponse: {
            sessions?: components["schemas"]["Session"][];
            nextPageToken?: string;
        };
        ListUsersResponse: {
            users?: components["schemas"]["User"][];
            nextPageToken?: string;
        };
        ListWebhookDeliveriesResponse: {
            deliveries?: components["schemas"]["WebhookDelivery"][];
            nextPageToken?: string;
        };
        ListWebhooksResponse: {
            webhooks?: components["schemas"]["Webhook"][];
            nextPageToken?: string;
        };
        ListWorkloadVersionsResponse: {
            versions?: components["schemas"]["WorkloadVersion"][];
            nextPageToken?: string;
        };
        ListWorkloadsResponse: {
            workloads?: components["schemas"]["Workload"][];
            nextPageToken?: string;
        };
        LogLine: {
            /** Format: date-time */
            time?: string;
            severity?: string;
            text?: string;
        };
        LoginChallenge: {
            token?: string;
            factors?: components["schemas"]["FactorKind"][];
            passkeyOptions?: string;
            /** Format: date-time */
            expireTime?: string;
        };
        LoginProvider: {
            name?: string;
            displayName?: string;
        };
        LoginRequest: {
            username: string;
            password: string;
            audience?: string;
        };
        LoginResponse: {
            identity?: components["schemas"]["Identity"];
            accessToken?: string;
            refreshToken?: string;
            challenge?: components["schemas"]["LoginChallenge"];
        };
        LogoutRequest: Record<string, never>;
        LogoutResponse: Record<string, never>;
        LookUpInvitationRequest: {
            token: string;
        };
        MasterKey: {
            id?: string;
            state?: components["schemas"]["MasterKeyState"];
            source?: string;
            sealedValues?: number;
            sealedValuesByService?: {
                [key: string]: number;
            };
            /** Format: date-time */
            retireTime?: string;
        };
        /** @enum {string} */
        MasterKeyState: "MASTER_KEY_STATE_UNSPECIFIED" | "MASTER_KEY_STATE_CURRENT" | "MASTER_KEY_STATE_WAITING" | "MASTER_KEY_STATE_EARLIER" | "MASTER_KEY_STATE_ABSENT";
        Node: {
            id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            createTime?: string;
            /** Format: date-time */
            updateTime?: string;
            etag?: string;
            /** Format: date-time */
            deleteTime?: string;
            clusterId?: string;
            role?: string;
            state?: string;
            address?: string;
            /** Format: double */
            cpus?: number;
            /** Format: int64 */
            memoryBytes?: string;
            engineVersion?: string;
            architecture?: string;
        };
        /** @enum {string} */
        NodeState: "NODE_STATE_UNSPECIFIED" | "NODE_STATE_ONLINE" | "NODE_STATE_OFFLINE";
        /** @enum {string} */
        OidcClientCheck: "OIDC_CLIENT_CHECK_UNSPECIFIED" | "OIDC_CLIENT_CHECK_ACCEPTED" | "OIDC_CLIENT_CHECK_REFUSED" | "OIDC_CLIENT_CHECK_UNKNOWN";
        OidcIdentity: {
            id?: string;
            providerName?: string;
            issuer?: string;
            subject?: string;
            email?: string;
            /** Format: date-time */
            createTime?: string;
            /** Format: date-time */
            lastLoginTime?: string;
        };
        OidcProvider: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            displayName?: string;
            issuer: string;
            clientId: string;
            clientSecret?: string;
            readonly hasClientSecret?: boolean;
            scopes?: string[];
            groupsClaim?: string;
            roleMappings?: components["schemas"]["OidcRoleMapping"][];
            defaultRoles?: string[];
            autoCreate?: boolean;
            emailDomains?: string[];
            trustsSecondFactor?: boolean;
            disabled?: boolean;
            readonly callbackUrl?: string;
        };
        OidcProviderPatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            displayName?: string;
            issuer?: string;
            clientId?: string;
            clientSecret?: string;
            readonly hasClientSecret?: boolean;
            scopes?: string[];
            groupsClaim?: string;
            roleMappings?: components["schemas"]["OidcRoleMapping"][];
            defaultRoles?: string[];
            autoCreate?: boolean;
            emailDomains?: string[];
            trustsSecondFactor?: boolean;
            disabled?: boolean;
            readonly callbackUrl?: string;
        };
        OidcRoleMapping: {
            group: string;
            role: string;
        };
        OutdatedTag: {
            tag?: string;
            digest?: string;
            /** Format: date-time */
            pushTime?: string;
            reason?: string;
        };
        Passkey: {
            readonly id?: string;
            name: string;
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly lastUseTime?: string;
            readonly backedUp?: boolean;
        };
        PasskeyAnswer: {
            challenge?: string;
            credential?: string;
        };
        PasskeyPatch: {
            readonly id?: string;
            name?: string;
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly lastUseTime?: string;
            readonly backedUp?: boolean;
        };
        PermissionResult: {
            permission?: string;
            allowed?: boolean;
            limits?: string[];
        };
        Policy: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            schedule: string;
            workloadIds?: string[];
            keepLast?: number;
            enabled?: boolean;
            readonly nextTimes?: string[];
        };
        PolicyPatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            schedule?: string;
            workloadIds?: string[];
            keepLast?: number;
            enabled?: boolean;
            readonly nextTimes?: string[];
        };
        PreviewRetentionRequest: {
            retention?: components["schemas"]["RetentionRule"][];
        };
        PreviewRetentionResponse: {
            tags?: components["schemas"]["OutdatedTag"][];
            outdatedCount?: number;
            keptCount?: number;
        };
        Progress: {
            /** Format: int64 */
            done?: string;
            /** Format: int64 */
            total?: string;
            message?: string;
        };
        Proof: {
            password?: string;
            code?: string;
            passkey?: components["schemas"]["PasskeyAnswer"];
        };
        PublishedPort: {
            containerPort: number;
            hostPort: number;
            protocol?: string;
        };
        RecoveryCode: {
            code?: string;
        };
        RedeliverWebhookDeliveryRequest: Record<string, never>;
        RefreshSessionRequest: {
            refreshToken: string;
        };
        RefreshSessionResponse: {
            identity?: components["schemas"]["Identity"];
            accessToken?: string;
            refreshToken?: string;
        };
        RegenerateRecoveryCodesRequest: {
            proof?: components["schemas"]["Proof"];
        };
        RegenerateRecoveryCodesResponse: {
            recoveryCodes?: components["schemas"]["RecoveryCode"][];
        };
        RegisterNodeRequest: {
            nodeId: string;
            joinToken: string;
            hostname?: string;
            architecture?: string;
            runtimeInfo?: {
                [key: string]: unknown;
            };
        };
        RegisterNodeResponse: {
            nodeId?: string;
            nodeToken?: string;
            heartbeatIntervalMilliseconds?: number;
        };
        RemovePasskeyRequest: {
            proof?: components["schemas"]["Proof"];
        };
        RemovePasskeyResponse: Record<string, never>;
        RemoveTotpRequest: {
            proof?: components["schemas"]["Proof"];
        };
        RemoveTotpResponse: Record<string, never>;
        ResetUserFactorsRequest: Record<string, never>;
        ResetUserFactorsResponse: Record<string, never>;
        Resources: {
            /** Format: double */
            cpuLimit?: number;
            /** Format: double */
            cpuReservation?: number;
            /** Format: int64 */
            memoryLimitBytes?: string;
            /** Format: int64 */
            memoryReservationBytes?: string;
        };
        RestoreImageRequest: Record<string, never>;
        RestoreImageVersionRequest: {
            reference: string;
        };
        RestoreImageVersionResponse: {
            digest?: string;
        };
        RetentionRule: {
            tagPattern?: string;
            keepLast?: number;
            keepDays?: number;
        };
        RevokeAllSessionsRequest: {
            keepCurrent?: boolean;
        };
        RevokeAllSessionsResponse: Record<string, never>;
        RevokeAllUserSessionsRequest: Record<string, never>;
        RevokeAllUserSessionsResponse: Record<string, never>;
        RevokeApiTokenResponse: Record<string, never>;
        RevokeInvitationRequest: Record<string, never>;
        RevokeSessionRequest: Record<string, never>;
        RevokeSessionResponse: Record<string, never>;
        RevokeUserSessionRequest: Record<string, never>;
        RevokeUserSessionResponse: Record<string, never>;
        RollbackWorkloadRequest: {
            /** Format: int64 */
            generation?: string;
            etag?: string;
        };
        RotateJumpCodeRequest: {
            overlapSeconds?: number;
        };
        RotateJumpCodeResponse: {
            jumpCode?: string;
        };
        RotateMasterKeyRequest: {
            requestId?: string;
        };
        RotateSigningKeysRequest: {
            requestId?: string;
        };
        RotateSigningKeysResponse: {
            signingKeys?: components["schemas"]["SigningKey"][];
        };
        RotateWebhookSecretRequest: {
            overlapSeconds?: number;
        };
        RotateWebhookSecretResponse: {
            secret?: string;
        };
        RunTaskRequest: {
            parameters?: {
                [key: string]: unknown;
            };
            requestId?: string;
        };
        Session: {
            id?: string;
            remoteAddress?: string;
            userAgent?: string;
            /** Format: date-time */
            createTime?: string;
            /** Format: date-time */
            lastUseTime?: string;
            /** Format: date-time */
            expireTime?: string;
            current?: boolean;
            audience?: string;
        };
        SetSettingRequest: {
            value: string;
            etag?: string;
        };
        Setting: {
            key?: string;
            type?: components["schemas"]["SettingType"];
            secret?: boolean;
            provider?: string;
            owners?: string[];
            description?: string;
            set?: boolean;
            value?: string;
            etag?: string;
            /** Format: date-time */
            changeTime?: string;
            changedBy?: string;
            testable?: boolean;
        };
        /** @enum {string} */
        SettingType: "SETTING_TYPE_UNSPECIFIED" | "SETTING_TYPE_TEXT" | "SETTING_TYPE_TOKEN" | "SETTING_TYPE_URL" | "SETTING_TYPE_HOST" | "SETTING_TYPE_PORT" | "SETTING_TYPE_JSON";
        SettingUpdate: {
            key: string;
            value?: string;
            etag?: string;
        };
        /** @enum {string} */
        SetupMode: "SETUP_MODE_UNSPECIFIED" | "SETUP_MODE_MANUAL" | "SETUP_MODE_HETZNER" | "SETUP_MODE_AWS" | "SETUP_MODE_DIGITALOCEAN";
        SignaturePolicy: {
            required?: boolean;
            publicKeys?: string[];
        };
        SigningKey: {
            kid?: string;
            state?: components["schemas"]["SigningKeyState"];
            /** Format: date-time */
            createTime?: string;
            /** Format: date-time */
            activateTime?: string;
            /** Format: date-time */
            retireTime?: string;
            /** Format: date-time */
            expireTime?: string;
        };
        /** @enum {string} */
        SigningKeyState: "SIGNING_KEY_STATE_UNSPECIFIED" | "SIGNING_KEY_STATE_NEXT" | "SIGNING_KEY_STATE_ACTIVE" | "SIGNING_KEY_STATE_RETIRED";
        StartOidcLinkRequest: {
            provider: string;
            proof?: components["schemas"]["Proof"];
        };
        StartOidcLinkResponse: {
            authorizationUrl?: string;
            verifier?: string;
        };
        StartOidcLoginRequest: {
            provider: string;
            loopbackPort?: number;
            showCode?: boolean;
        };
        StartOidcLoginResponse: {
            authorizationUrl?: string;
            verifier?: string;
        };
        TagImageRequest: {
            reference: string;
            tag: string;
        };
        Task: {
            name?: string;
            description?: string;
            category?: string;
            schedule?: string;
            /** Format: date-time */
            lastRunTime?: string;
        };
        TestCorebuildWorkersRequest: Record<string, never>;
        TestCorebuildWorkersResponse: {
            connections?: components["schemas"]["ConnectionTest"][];
        };
        TestOidcProviderRequest: Record<string, never>;
        TestOidcProviderResponse: {
            working?: boolean;
            problems?: string[];
            client?: components["schemas"]["OidcClientCheck"];
            authorizationEndpoint?: string;
            tokenEndpoint?: string;
            jwksUri?: string;
            userinfoEndpoint?: string;
            algorithms?: string[];
            callbackUrl?: string;
        };
        TestPermissionsResponse: {
            results?: components["schemas"]["PermissionResult"][];
        };
        TestProviderRequest: Record<string, never>;
        TestProviderResponse: {
            connections?: components["schemas"]["ConnectionTest"][];
        };
        TestS3TargetRequest: Record<string, never>;
        TestS3TargetResponse: {
            connections?: components["schemas"]["ConnectionTest"][];
        };
        TestSmbTargetRequest: Record<string, never>;
        TestSmbTargetResponse: {
            connections?: components["schemas"]["ConnectionTest"][];
        };
        TestWebhookRequest: Record<string, never>;
        UnlinkOidcIdentityRequest: Record<string, never>;
        UnlinkOidcIdentityResponse: Record<string, never>;
        UnlinkUserOidcIdentityRequest: Record<string, never>;
        UnlinkUserOidcIdentityResponse: Record<string, never>;
        UntagImageResponse: Record<string, never>;
        /** @enum {string} */
        UpdateOrder: "UPDATE_ORDER_UNSPECIFIED" | "UPDATE_ORDER_START_FIRST" | "UPDATE_ORDER_STOP_FIRST";
        UpdateSettingsRequest: {
            updates: components["schemas"]["SettingUpdate"][];
        };
        UpdateSettingsResponse: {
            settings?: components["schemas"]["Setting"][];
        };
        UpdateStrategy: {
            order?: components["schemas"]["UpdateOrder"];
            parallelism?: number;
            delaySeconds?: number;
            monitorSeconds?: number;
        };
        User: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            type?: components["schemas"]["IdentityType"];
            roles?: string[];
            disabled?: boolean;
            password?: string;
        };
        UserPatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            type?: components["schemas"]["IdentityType"];
            roles?: string[];
            disabled?: boolean;
            password?: string;
        };
        VerifyAuditLogResponse: {
            entries?: number;
            /** Format: uint64 */
            sequence?: string;
            hash?: string;
            complete?: boolean;
            broken?: components["schemas"]["AuditBreak"];
            checkpoints?: number;
            /** Format: uint64 */
            firstSequence?: string;
        };
        VerifySignaturesRequest: {
            reference: string;
            publicKeys: string[];
        };
        VerifySignaturesResponse: {
            verified?: boolean;
            digest?: string;
            keyFingerprint?: string;
            signatureCount?: number;
            reason?: string;
        };
        WatchClustersResponse: {
            event?: components["schemas"]["WatchEvent"];
            cluster?: components["schemas"]["Cluster"];
            cursor?: string;
        };
        WatchDeploymentsResponse: {
            event?: components["schemas"]["WatchEvent"];
            deployment?: components["schemas"]["Deployment"];
            cursor?: string;
        };
        /** @enum {string} */
        WatchEvent: "WATCH_EVENT_UNSPECIFIED" | "WATCH_EVENT_SNAPSHOT" | "WATCH_EVENT_BOOKMARK" | "WATCH_EVENT_CHANGED" | "WATCH_EVENT_DELETED";
        WatchExecutionResponse: {
            execution?: components["schemas"]["Execution"];
            logLine?: components["schemas"]["LogLine"];
            cursor?: string;
        };
        WatchImagesResponse: {
            event?: components["schemas"]["WatchEvent"];
            image?: components["schemas"]["Image"];
            cursor?: string;
        };
        WatchWorkloadsResponse: {
            event?: components["schemas"]["WatchEvent"];
            workload?: components["schemas"]["Workload"];
            cursor?: string;
        };
        Webhook: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            description?: string;
            url: string;
            allowHttp?: boolean;
            caCertificates?: string;
            events: components["schemas"]["WebhookEvent"][];
            repositories?: string[];
            disabled?: boolean;
            readonly state?: components["schemas"]["WebhookState"];
            readonly stateReason?: string;
            /** Format: date-time */
            readonly failingSince?: string;
            /** Format: date-time */
            readonly previousSecretEndTime?: string;
            format?: components["schemas"]["WebhookFormat"];
        };
        WebhookDelivery: {
            id?: string;
            webhookId?: string;
            event?: components["schemas"]["WebhookEvent"];
            subject?: string;
            state?: components["schemas"]["WebhookDeliveryState"];
            attempts?: number;
            statusCode?: number;
            error?: string;
            /** Format: date-time */
            createTime?: string;
            /** Format: date-time */
            lastAttemptTime?: string;
            /** Format: date-time */
            nextAttemptTime?: string;
            body?: string;
            lastAttemptMillis?: number;
        };
        /** @enum {string} */
        WebhookDeliveryState: "WEBHOOK_DELIVERY_STATE_UNSPECIFIED" | "WEBHOOK_DELIVERY_STATE_PENDING" | "WEBHOOK_DELIVERY_STATE_DELIVERED" | "WEBHOOK_DELIVERY_STATE_FAILED";
        /** @enum {string} */
        WebhookEvent: "WEBHOOK_EVENT_UNSPECIFIED" | "WEBHOOK_EVENT_IMAGE_PUSHED" | "WEBHOOK_EVENT_TAG_MOVED" | "WEBHOOK_EVENT_TAG_DELETED" | "WEBHOOK_EVENT_MANIFEST_DELETED" | "WEBHOOK_EVENT_IMAGE_DELETED" | "WEBHOOK_EVENT_TEST";
        /** @enum {string} */
        WebhookFormat: "WEBHOOK_FORMAT_UNSPECIFIED" | "WEBHOOK_FORMAT_CLOUD_EVENTS" | "WEBHOOK_FORMAT_TYPED_REQUEST";
        WebhookPatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            description?: string;
            url?: string;
            allowHttp?: boolean;
            caCertificates?: string;
            events?: components["schemas"]["WebhookEvent"][];
            repositories?: string[];
            disabled?: boolean;
            readonly state?: components["schemas"]["WebhookState"];
            readonly stateReason?: string;
            /** Format: date-time */
            readonly failingSince?: string;
            /** Format: date-time */
            readonly previousSecretEndTime?: string;
            format?: components["schemas"]["WebhookFormat"];
        };
        /** @enum {string} */
        WebhookState: "WEBHOOK_STATE_UNSPECIFIED" | "WEBHOOK_STATE_ACTIVE" | "WEBHOOK_STATE_FAILING" | "WEBHOOK_STATE_DISABLED";
        Workload: {
            readonly id?: string;
            name: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            clusterId: string;
            description?: string;
            image?: string;
            tag?: string;
            deployOnPush?: boolean;
            replicas?: number;
            mode?: components["schemas"]["WorkloadMode"];
            category?: components["schemas"]["WorkloadCategory"];
            webPort?: number;
            domains?: components["schemas"]["WorkloadDomain"][];
            environment?: {
                [key: string]: string;
            };
            command?: string[];
            arguments?: string[];
            resources?: components["schemas"]["Resources"];
            healthCheck?: components["schemas"]["HealthCheck"];
            updateStrategy?: components["schemas"]["UpdateStrategy"];
            publishedPorts?: components["schemas"]["PublishedPort"][];
            readonly registryTarget?: string;
            readonly imageDigest?: string;
            readonly imageTag?: string;
            signaturePolicy?: components["schemas"]["SignaturePolicy"];
            readonly heldImage?: components["schemas"]["HeldImage"];
            /** Format: int64 */
            readonly generation?: string;
            readonly status?: components["schemas"]["WorkloadStatus"];
        };
        /** @enum {string} */
        WorkloadCategory: "WORKLOAD_CATEGORY_UNSPECIFIED" | "WORKLOAD_CATEGORY_BASE" | "WORKLOAD_CATEGORY_DISTRIBUTED" | "WORKLOAD_CATEGORY_WORKLOAD";
        WorkloadDomain: {
            name: string;
            port?: number;
            protocol?: string;
        };
        /** @enum {string} */
        WorkloadMode: "WORKLOAD_MODE_UNSPECIFIED" | "WORKLOAD_MODE_REPLICATED" | "WORKLOAD_MODE_GLOBAL";
        WorkloadPatch: {
            readonly id?: string;
            name?: string;
            labels?: {
                [key: string]: string;
            };
            /** Format: date-time */
            readonly createTime?: string;
            /** Format: date-time */
            readonly updateTime?: string;
            etag?: string;
            /** Format: date-time */
            readonly deleteTime?: string;
            clusterId?: string;
            description?: string;
            image?: string;
            tag?: string;
            deployOnPush?: boolean;
            replicas?: number;
            mode?: components["schemas"]["WorkloadMode"];
            category?: components["schemas"]["WorkloadCategory"];
            webPort?: number;
            domains?: components["schemas"]["WorkloadDomain"][];
            environment?: {
                [key: string]: string;
            };
            command?: string[];
            arguments?: string[];
            resources?: components["schemas"]["Resources"];
            healthCheck?: components["schemas"]["HealthCheck"];
            updateStrategy?: components["schemas"]["UpdateStrategy"];
            publishedPorts?: components["schemas"]["PublishedPort"][];
            readonly registryTarget?: string;
            readonly imageDigest?: string;
            readonly imageTag?: string;
            signaturePolicy?: components["schemas"]["SignaturePolicy"];
            readonly heldImage?: components["schemas"]["HeldImage"];
            /** Format: int64 */
            readonly generation?: string;
            readonly status?: components["schemas"]["WorkloadStatus"];
        };
        WorkloadStatus: {
            /** Format: int64 */
            observedGeneration?: string;
            reconciling?: boolean;
            conditions?: components["schemas"]["Condition"][];
            readyReplicas?: number;
            wishedReplicas?: number;
            runningDigest?: string;
            message?: string;
        };
        WorkloadVersion: {
            /** Format: int64 */
            generation?: string;
            /** Format: date-time */
            createTime?: string;
            cause?: string;
            actor?: string;
            workload?: components["schemas"]["Workload"];
        };
        Problem: {
            /** Format: uri-reference */
            type: string;
            title: string;
            status: number;
            detail: string;
            reason: string;
            requestId: string;
            action: string;
            violations?: {
                field: string;
                description: string;
            }[];
            resource?: {
                type?: string;
                name?: string;
            };
            metadata?: {
                [key: string]: string;
            };
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
