// The documented settings whose features this version does not have yet: taking them keeps old configurations working.

extension Setting {
    static let later: [Setting] = [
        .later("webhookUrl", flags: ["webhook-url"], variables: ["PAYGATE_WEBHOOK_URL"], reloadable: true),
        .later("webhookSecret", flags: ["webhook-secret"], variables: ["PAYGATE_WEBHOOK_SECRET"], reloadable: true),
        .later("webhookMaxRetries", flags: ["webhook-retries"], variables: ["PAYGATE_WEBHOOK_RETRIES"], reloadable: true),
        .later("stripeWebhookSecret", flags: ["stripe-secret"], variables: ["PAYGATE_STRIPE_SECRET"]),
        .later("discoveryMode", flags: ["discovery"], variables: ["PAYGATE_DISCOVERY_MODE"]),
        .later("auditFile", flags: ["audit-file"], variables: ["PAYGATE_AUDIT_FILE"]),
        .later("globalQuota", reloadable: true),
        .later("alertRules", reloadable: true),
    ] + fileOnly.map { Setting.later($0) }

    private static let fileOnly = [
        "webhookFilters", "webhookSsrfAtDelivery", "expiryScanner", "oauth", "stripe", "cacheTtlSeconds", "maxCacheEntries",
        "circuitBreakerThreshold", "circuitBreakerCooldownSeconds", "guardrails", "geoCountryHeader", "maxConcurrentPerKey",
        "maxConcurrentPerTool", "mirror", "billTaskCreation", "spendCaps", "x402", "openApiSpec",
    ]
}
