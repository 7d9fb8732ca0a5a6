/// What a setting's values look like: how text becomes the file's shape, and how that shape becomes a checked value.
///
/// Flags and variables are text. `parse` only brings them into the shape that the configuration file has, so that every
/// rule about a value stands once, in `read`, and values of all sources merge before they are read.
struct SettingKind<Value: Sendable & Equatable>: Sendable {
    /// Checks a value; nil after a refusal.
    typealias Read = @Sendable (JSONDocument, SettingPlace, inout SettingsDiagnostics) -> Value?

    let form: SettingForm
    let parse: Setting.Parse
    let read: Read
    /// A default in the help text; nil where there is nothing to say.
    let show: @Sendable (Value) -> String?

    init(
        _ form: SettingForm,
        parse: @escaping Setting.Parse = { texts, _, _ in texts.last.map(JSONDocument.string) },
        read: @escaping Read,
        show: @escaping @Sendable (Value) -> String? = { _ in nil }
    ) {
        self.form = form
        self.parse = parse
        self.read = read
        self.show = show
    }

    /// The same values, or none at all.
    var optional: SettingKind<Value?> {
        SettingKind<Value?>(
            form,
            parse: parse,
            read: { [read] document, place, diagnostics in read(document, place, &diagnostics).map(Optional.some) },
            show: { [show] in $0.flatMap(show) }
        )
    }
}
