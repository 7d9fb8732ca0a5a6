// What a client, the metrics and the call log get for a call.

import ClusterState
import GateDomain
import Logging
import MCPUpstream
import MCPWire
import NIOCore

extension CallFlow {
    private var isBatch: Bool { exchange.envelope.method == .toolsCallBatch }

    /// The last step: readings into the head, one answer, one line, one count.
    func finish(_ reply: CallMachine.Reply) {
        unregister()
        loop.meter.staleJudgements += machine.staleJudgements
        exchange.readings.credits = machine.credits
        exchange.readings.rate = machine.rate
        let screened = screen(reply)
        for call in calls { exchange.readings.warnings += call.warnings }
        switch screened {
        case .served: deliver()
        case .denied(let denial, let part): refuse(denial, part)
        case .unavailable:
            loop.meter.count(calls[0].label(in: loop), .unavailable)
            exchange.failForStore()
            log("unavailable")
        case .lost(let nothingCharged):
            let sentence =
                nothingCharged
                ? "nothing was charged. Try again." : "whether it was charged is not known. Look at the balance before trying again."
            exchange.fail(status: 503, code: -32603, "The outcome of the call was lost; \(sentence)", retryAfter: 1)
            log("lost")
        case .replayed(let answer): replay(answer)
        case .unanswered:
            exchange.fail(
                code: -32603,
                "The call was charged once, and its answer was not kept: it was lost with its node, or this key's answers of the day had no room for it. "
                    + "It is not made again under this idempotency key")
            log("unanswered")
        case .conflict: exchange.fail(status: 422, code: -32600, "This idempotency key was used for another request")
        case .stillRunning: exchange.fail(status: 409, code: -32600, "A call with this idempotency key is still running", retryAfter: 1)
        case .cancelled:
            exchange.fail(code: UpstreamFailure.cancelled.code, UpstreamFailure.cancelled.sentence)
            log("cancelled")
        case .nobody: exchange.acknowledge()
        }
        for call in calls {
            if call.hasCheckedArguments {
                loop.schemaChecks.all += 1
                if call.hasUnfitArguments { loop.schemaChecks.failed += 1 }
            }
            if call.hasViolations { loop.note(call.violations, in: call.tool, of: caller?.id, exchange.requestID) }
            for note in call.notes { loop.parts.logger.notice("\(note)", metadata: ["request": "\(exchange.requestID)"]) }
        }
    }

    private func deliver() {
        let receipt = machine.parts.receipt
        exchange.readings.surcharge = receipt.surcharge
        var (hasFailed, hasPaidTasks) = (false, false)
        for (part, call) in calls.enumerated() {
            let label = call.label(in: loop)
            let isFailed = machine.parts[part].outcome?.isFailure ?? false
            let charged = machine.parts[part].receipt.charged
            hasFailed = hasFailed || isFailed
            loop.meter.count(label, isFailed ? .failed : .allowed)
            if charged > 0 { loop.meter.credits[label, default: 0] += charged }
            if machine.parts[part].isRefunded { loop.meter.refunds[label, default: 0] += 1 }
            hasPaidTasks = hasPaidTasks || call.task != nil && charged > 0
        }
        if hasPaidTasks, let key = caller?.record {
            noteTasks(of: key) { [self] in tell(receipt, hasFailed) }
        } else {
            tell(receipt, hasFailed)
        }
    }

    private func tell(_ receipt: Receipt, _ hasFailed: Bool) {
        exchange.answer(status: isBatch ? 200 : calls[0].status(for: exchange), answer())
        log(machine.shadowed.map { "shadow:\($0.label.rawValue)" } ?? (hasFailed ? "failed" : "ok"), credits: receipt.charged)
    }

    /// Notes what the tasks that servers have made of the calls have cost: it goes back if they come to nothing.
    private func noteTasks(of key: KeyRecord, _ completion: @escaping () -> Void) {
        var open = 1
        let done = {
            open -= 1
            if open == 0 { completion() }
        }
        for (part, call) in calls.enumerated() {
            let charged = machine.parts[part].receipt.charged
            guard let task = call.task, charged > 0 else { continue }
            open += 1
            loop.tasks.note(charged, for: task.id, of: task.server, by: key, charge: loop.nextID(), at: loop.now, done)
        }
        done()
    }

    /// An answer that was kept is judged by the rules of now: they may be of after it.
    private func screen(_ reply: CallMachine.Reply) -> CallMachine.Reply {
        guard case .replayed(let answer) = reply, loop.snapshot.pipeline.hasStages(of: .output) else { return reply }
        let stored = ByteBuffer(bytes: answer)
        guard let kept = stored.withUnsafeReadableBytes({ Reply.scan($0) }), let value = kept.result ?? kept.error else { return reply }
        var edits: [Splice.Edit] = []
        for (part, place) in places(of: value, in: stored) {
            switch calls[part].judge(stored, at: place, self) {
            case .passed: break
            case .answered(let bytes), .rewritten(let bytes): edits.append(.init(place, .bytes(bytes)))
            case .withheld(let denial): return .denied(denial, part: part)
            }
        }
        return edits.isEmpty ? reply : .replayed(stored.withUnsafeReadableBytes { Splice.apply(edits, to: $0) })
    }

    /// What the servers have said in a message, in its order: all of the value, or what each call of a batch has come to.
    private func places(of value: Range<Int>, in message: ByteBuffer) -> [(part: Int, place: Range<Int>)] {
        guard isBatch else { return [(0, value)] }
        let list = message.withUnsafeReadableBytes { bytes in
            ListScan(UnsafeRawBufferPointer(rebasing: bytes[value]), list: "results", members: ["result", "error"])
        }
        guard let list, list.entries.count == calls.count else { return calls.indices.prefix(1).map { ($0, value) } }
        return list.entries.enumerated().compactMap { part, entry in
            (entry.values[0] ?? entry.values[1]).map { (part, value.lowerBound + $0.lowerBound..<value.lowerBound + $0.upperBound) }
        }
    }

    /// The same call has been answered before: the same answer, under the id of this request, and no charge.
    private func replay(_ answer: [UInt8]) {
        loop.meter.replays += 1
        let stored = ByteBuffer(bytes: answer)
        if let reply = stored.withUnsafeReadableBytes({ Reply.scan($0) }) { exchange.relay(stored, reply) } else { exchange.answer(answer) }
        log("replayed")
    }

    // MARK: The message

    /// The whole message. What the servers said stays bytes, in a batch too.
    private func answer() -> AnswerBody {
        guard isBatch else { return calls[0].answer(to: exchange) }
        var message = AnswerParts()
        message.append(exchange.beginning(ofResult: #""results":["#))
        for (part, call) in calls.enumerated() {
            var head = Array((part > 0 ? #",{"tool":"# : #"{"tool":"#).utf8)
            JSONText.append(call.tool, to: &head)
            head.append(UInt8(ascii: ","))
            message.append(head)
            call.appendMember(to: &message)
            message.append(#","creditsCharged":\#(machine.parts[part].receipt.charged)}"#.utf8)
        }
        message.append(#"],"totalCreditsCharged":\#(machine.parts.receipt.charged),"remainingCredits":\#(machine.credits ?? 0)}}"#.utf8)
        return message.body()
    }

    /// What a repetition is answered with. It is kept in the same step that charges, so it says of a surcharge what the balance had for it
    /// when the call was admitted.
    var storedAnswer: [UInt8] {
        let answer = answer()
        return answer.count <= KeptAnswers.longest
            ? answer.bytes
            : exchange.failure(
                code: -32603, "The call was charged once and answered, but its answer was too large to keep (request \(exchange.requestID))"
            )
    }

    // MARK: Refusals

    private func refuse(_ denial: Denial, _ part: Int) {
        loop.meter.count(denial, of: calls[part].label(in: loop))
        exchange.readings.retryAfter = denial.retryAfter
        exchange.fail(code: denial.code, denial.sentence, data: refusalData(denial, part))
        // A stranger's refusal is counted and not logged: nobody without a key makes the gate write.
        if caller != nil { log("denied:\(denial.label.rawValue)") } else { recordLatency() }
    }

    /// F-RPC-10, F-RPC-11 and the shapes of existing clients. Written at once: a refusal has to be cheap, whoever asks for it.
    private func refusalData(_ denial: Denial, _ part: Int) -> [UInt8] {
        var data = denial.openData
        if isBatch {
            data += #","failedIndex":"#.utf8
            JSONText.append(part, to: &data)
        }
        if case .schemaInvalid(let faults) = denial {
            data += #","errors":"#.utf8
            JSONValue.array(faults.map { ["path": .string($0.path), "message": .string($0.message)] }).append(to: &data)
        }
        if denial.isAboutPayment { appendPayment(to: &data) }
        data.append(UInt8(ascii: "}"))
        return data
    }

    private func appendPayment(to data: inout [UInt8]) {
        let (required, remaining) = (machine.parts.price, machine.credits ?? 0)
        if isBatch {
            data += #","totalCreditsRequired":"#.utf8
            JSONText.append(required, to: &data)
        } else {
            data += #","creditsRequired":"#.utf8
            JSONText.append(required, to: &data)
            data += #","pricing":"#.utf8
            data += loop.priceTexts.text(for: calls[0].tool, by: caller?.policy.rules ?? loop.rules)
        }
        data += #","remainingCredits":"#.utf8
        JSONText.append(remaining, to: &data)
        data += #","x402":{"version":"1","scheme":"credits","creditsRequired":"#.utf8
        JSONText.append(required, to: &data)
        data += #","creditsAvailable":"#.utf8
        JSONText.append(remaining, to: &data)
        data += #","topUpUrl":"/topup","pricingUrl":"/pricing","accepts":["X-API-Key","Bearer"]}"#.utf8
    }

    // MARK: The log

    private func log(_ status: String, credits: Int = 0) {
        let took = recordLatency()
        guard loop.log.isOn, caller != nil || loop.log.admitsStranger(now: loop.now) else { return }
        loop.log.line(
            now: loop.now, tool: isBatch ? "tools/call_batch" : calls[0].tool.cut(toBytes: CallEvent.toolBytes),
            key: caller?.policy.key.masked ?? "-",
            status: status, credits: credits, microseconds: Int(took.nanoseconds / 1000), requestID: exchange.requestID)
    }

    @discardableResult
    private func recordLatency() -> TimeAmount {
        let took = NIODeadline.now() - exchange.receivedAt
        loop.meter.gateLatency.record(took.nanoseconds)
        return took
    }
}

extension Denial {
    /// The `data` of the error that tells of it, where it is about nothing that a call would have cost.
    var data: [UInt8] { openData + [UInt8(ascii: "}")] }

    /// The same without the brace at its end.
    fileprivate var openData: [UInt8] {
        var data: [UInt8] = []
        data.reserveCapacity(isAboutPayment ? 512 : 64)
        data += #"{"reason":"#.utf8
        JSONText.append(reason, to: &data)
        return data
    }
}
