// The settings of a shared Redis besides its URL: who the node is to it, whom it trusts, how many replicas have to follow.

extension Setting {
    private static let redisPassword = Setting(
        "redisPassword", \.redisPassword, .text("password", isSecret: true),
        flags: ["redis-password"], variables: ["PAYGATE_REDIS_PASSWORD"],
        "The password for Redis, in place of the URL's. Give it by --redis-password-file or a variable, which no process list shows.")
    private static let sentinelPassword = Setting(
        "sentinelPassword", \.sentinelPassword, .text("password", isSecret: true),
        flags: ["sentinel-password"], variables: ["PAYGATE_SENTINEL_PASSWORD"],
        "The password for the Sentinels. Give it by --sentinel-password-file or a variable, which no process list shows.")

    private static let redisTo = Setting(
        "redisTo", \.redisTo, .redisURL,
        flags: ["redis-to"], variables: ["PAYGATE_REDIS_TO"],
        "Where gate-node store move will move the store to; the node goes along.")

    static let redis: [Setting] = [
        redisTo, inFile(redisTo),
        Setting(
            "redisUser", \.redisUser, .text("name"),
            flags: ["redis-user"], variables: ["PAYGATE_REDIS_USER"],
            "The ACL user of Redis, in place of the URL's."),
        redisPassword, inFile(redisPassword),
        Setting(
            "sentinelUser", \.sentinelUser, .text("name"),
            flags: ["sentinel-user"], variables: ["PAYGATE_SENTINEL_USER"],
            "The ACL user of the Sentinels."),
        sentinelPassword, inFile(sentinelPassword),
        Setting(
            "redisCa", \.redisCa, .path,
            flags: ["redis-ca"], variables: ["PAYGATE_REDIS_CA"],
            "Certificates (PEM) of the authorities that are trusted with rediss; without it those of the system."),
        Setting(
            "redisCertificate", \.redisCertificate, .path,
            flags: ["redis-certificate"], variables: ["PAYGATE_REDIS_CERTIFICATE"],
            "The node's own certificate (PEM) for Redis and Sentinels that ask for one."),
        Setting(
            "redisPrivateKey", \.redisPrivateKey, .path,
            flags: ["redis-private-key"], variables: ["PAYGATE_REDIS_PRIVATE_KEY"],
            "The private key (PEM) of that certificate."),
        Setting(
            "minReplicasAck", \.minReplicasAck, .number("n", 0...16),
            flags: ["min-replicas-ack"], variables: ["PAYGATE_MIN_REPLICAS_ACK"],
            "Replicas of Redis that must have a charge before it counts; 0 waits for none."),
    ]
}
