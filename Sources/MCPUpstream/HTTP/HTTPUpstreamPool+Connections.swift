// The connections of a pool: made where requests wait, used again, and given up.

import NIOCore

extension HTTPUpstreamPool {
    /// A connection has become free.
    func offer(_ connection: HTTPUpstreamConnection) {
        if let exchange = takeWaiting(freed: 1) {
            start(exchange, on: connection)
        } else if isClosed || connections.count > settings.maxConnections {
            return discard(connection)
        } else {
            idle.append(connection)
        }
        startWaiting()
    }

    /// Closes a connection that is of no more use.
    func discard(_ connection: HTTPUpstreamConnection) {
        forget(connection)
        connection.close()
    }

    /// A connection is gone.
    func forget(_ connection: HTTPUpstreamConnection) {
        if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
        guard let index = connections.lastIndex(where: { $0 === connection }) else { return }
        connections.remove(at: index)
        growIfNeeded()
    }

    func growIfNeeded() {
        // Who waits for his turn may have it now; not from here, where others are being given up.
        if !idle.isEmpty, !waiting.isEmpty { loop.assumeIsolated().execute { [self] in startWaiting() } }
        let wanted = countInTurn()
        while connecting < wanted, connections.count + connecting < settings.maxConnections { connect(for: nil) }
    }

    /// - Parameter exchange: a parked exchange that the connection is made for; nil makes it for whoever waits longest.
    func connect(for exchange: HTTPExchange?) {
        connecting += 1
        let pool = NIOLoopBound(self, eventLoop: loop)
        connector.connect(on: loop) { HTTPUpstreamConnection(pool.value) }.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .failure(let error): notConnected(error, for: exchange)
            case .success(let channel):
                guard let connection = try? channel.pipeline.syncOperations.handler(type: HTTPUpstreamConnection.self) else {
                    return notConnected(ChannelError.eof, for: exchange)
                }
                connection.whenReady(usesTLS: connector.usesTLS, within: settings.connectTimeout) { [self] error in
                    if let error { notConnected(error, for: exchange) } else { connected(connection, for: exchange) }
                }
            }
        }
    }

    private func connected(_ connection: HTTPUpstreamConnection, for exchange: HTTPExchange?) {
        connecting -= 1
        guard !isClosed else { return connection.close() }
        connections.append(connection)
        if let exchange, unpark(exchange) { start(exchange, on: connection) } else { offer(connection) }
    }

    private func notConnected(_ error: any Error, for exchange: HTTPExchange?) {
        connecting -= 1
        let trouble = HTTPUpstreamConnector.reason(error)
        if let exchange {
            if unpark(exchange) { exchange.fail(.unavailable, because: trouble) }
        } else if connections.isEmpty {
            failWaiting(trouble)
        } else {
            waiting.popFirst()?.fail(.unavailable, because: trouble)
        }
        tellSession { $0.cannotConnect(trouble) }
    }
}
