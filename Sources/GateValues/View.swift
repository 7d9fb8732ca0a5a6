// An answer declared once: its JSON, the schema that documents it and the rows of a table come from one list of members.

import GateDomain
package import MCPWire

/// How values of one type are shown: members with their names, in order.
///
///     View<Team>([.text("id", \.id), .credits("budget", \.budget), .time("createdAt", \.createdAt), .text("note", \.note).maybe])
///
/// An optional value is null when it is not there; with `maybe` the member is left out then.
package struct View<Source>: Sendable {
    /// One value of the source under its name.
    package struct Member: Sendable {
        /// The name in JSON, and of the column.
        package let name: String
        /// The name as JSON text, with the colon behind it.
        fileprivate let label: [UInt8]
        /// One that the value always meets.
        package fileprivate(set) var schema: Schema
        /// Nil where the member is left out.
        package fileprivate(set) var value: @Sendable (Source) -> JSONValue?

        /// - Parameter schema: one that the value always meets.
        package init(_ name: String, _ schema: Schema, _ value: @escaping @Sendable (Source) -> JSONValue?) {
            self.name = name
            label = JSONText.quoted(name) + [UInt8(ascii: ":")]
            self.schema = schema
            self.value = value
        }
    }

    /// In the order in which they are shown.
    package let members: [Member]

    /// - Parameter members: no two of one name.
    package init(_ members: [Member]) {
        assert(Set(members.map(\.name)).count == members.count, "two members of a view have one name")
        self.members = members
    }

    /// An object of the members.
    package var schema: Schema { Schema(members: members.map { ($0.name, $0.schema) }) }

    /// The members with their values.
    package func json(_ source: Source) -> JSONObject {
        var object = JSONObject(capacity: members.count)
        for member in members { if let value = member.value(source) { object.append(member.name, value) } }
        return object
    }

    /// Adds the same as compact JSON, without an object in between.
    package func append(_ source: Source, to output: inout [UInt8]) {
        var opening = UInt8(ascii: "{")
        for member in members {
            guard let value = member.value(source) else { continue }
            output.append(opening)
            opening = UInt8(ascii: ",")
            output += member.label
            value.append(to: &output)
        }
        if opening == UInt8(ascii: "{") { output.append(opening) }
        output.append(UInt8(ascii: "}"))
    }

    /// The members of another view on a part of the source, as if they were its own.
    package func including<Part>(_ view: View<Part>, _ part: @escaping @Sendable (Source) -> Part) -> View {
        View(members + view.members.map { member in Member(member.name, member.schema) { member.value(part($0)) } })
    }

    /// Some of the members as columns.
    /// - Parameter names: names of members, in the order of the columns; all of them by default.
    package func table(_ names: [String]? = nil) -> Table {
        guard let names else { return Table(columns: members) }
        return Table(
            columns: names.map { name in
                guard let member = members.first(where: { $0.name == name }) else { preconditionFailure("the view has no member \(name)") }
                return member
            })
    }

    /// A view as comma-separated values.
    package struct Table: Sendable {
        fileprivate let columns: [Member]

        /// The line of the columns' names.
        package var head: [UInt8] { CSVText.head(columns.map(\.name)) }

        /// Adds the line of a value.
        package func append(_ source: Source, to bytes: inout [UInt8]) {
            CSVText.append(columns.map { Self.cell($0.value(source)) }, to: &bytes)
        }

        /// Texts as they are, what is not there as nothing, anything else as JSON.
        private static func cell(_ value: JSONValue?) -> String {
            guard let value, !value.isNull else { return "" }
            return value.stringValue ?? value.text
        }
    }
}

extension View.Member {
    /// Left out where it would be null.
    package var maybe: View.Member {
        var member = self
        member.schema = schema.notNull.maybe
        member.value = { [value] source in value(source).flatMap { $0.isNull ? JSONValue?.none : $0 } }
        return member
    }

    /// With a sentence for people in the schema.
    package func described(_ help: String) -> View.Member {
        var member = self
        member.schema = schema.described(help)
        return member
    }

    /// Text.
    package static func text(_ name: String, _ value: @escaping @Sendable (Source) -> String) -> Self { of(name, .string, value) }
    /// Text, or null.
    package static func text(_ name: String, _ value: @escaping @Sendable (Source) -> String?) -> Self { of(name, .string.nullable, value) }
    /// A whole number.
    package static func integer(_ name: String, _ value: @escaping @Sendable (Source) -> Int) -> Self { of(name, .integer, value) }
    /// A whole number, or null.
    package static func integer(_ name: String, _ value: @escaping @Sendable (Source) -> Int?) -> Self {
        of(name, .integer.nullable, value)
    }
    /// Whole credits.
    package static func credits(_ name: String, _ value: @escaping @Sendable (Source) -> Int) -> Self { of(name, .integer, value) }
    /// Whole credits, or null.
    package static func credits(_ name: String, _ value: @escaping @Sendable (Source) -> Int?) -> Self {
        of(name, .integer.nullable, value)
    }
    /// True or false.
    package static func flag(_ name: String, _ value: @escaping @Sendable (Source) -> Bool) -> Self { of(name, .boolean, value) }
    /// A list of texts.
    package static func texts(_ name: String, _ value: @escaping @Sendable (Source) -> [String]) -> Self {
        of(name, .list(of: .string), value)
    }
    /// Labels of a record.
    package static func tags(_ name: String, _ value: @escaping @Sendable (Source) -> [String: String]) -> Self { of(name, .tags, value) }

    /// Milliseconds since 1970, shown as ISO 8601.
    package static func time(_ name: String, _ value: @escaping @Sendable (Source) -> Int) -> Self {
        of(name, .time) { Timestamp.text(milliseconds: value($0)) }
    }

    /// Milliseconds since 1970, shown as ISO 8601.
    package static func time(_ name: String, _ value: @escaping @Sendable (Source) -> Int?) -> Self {
        of(name, .time.nullable) { value($0).map(Timestamp.text) }
    }

    /// One of the words of an enumeration.
    package static func choice<Word: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String, _ value: @escaping @Sendable (Source) -> Word
    ) -> Self {
        of(name, .choice(Word.allCases.map(\.rawValue))) { value($0).rawValue }
    }

    /// One of these words.
    package static func choice(_ name: String, _ words: [String], _ value: @escaping @Sendable (Source) -> String) -> Self {
        of(name, .choice(words), value)
    }

    /// A part of the source as an object of its own.
    package static func object<Part>(_ name: String, _ view: View<Part>, _ value: @escaping @Sendable (Source) -> Part) -> Self {
        of(name, view.schema) { view.json(value($0)) }
    }

    /// A part of the source as an object of its own, or null.
    package static func object<Part>(_ name: String, _ view: View<Part>, _ value: @escaping @Sendable (Source) -> Part?) -> Self {
        of(name, view.schema.nullable) { value($0).map(view.json) }
    }

    /// Several parts of the source, each as an object.
    package static func list<Part>(_ name: String, _ view: View<Part>, _ value: @escaping @Sendable (Source) -> [Part]) -> Self {
        of(name, .list(of: view.schema)) { value($0).map(view.json) }
    }

    /// What no other kind shows.
    package static func of(_ name: String, _ schema: Schema, _ value: @escaping @Sendable (Source) -> some JSONRepresentable) -> Self {
        Self(name, schema) { value($0).json }
    }
}
