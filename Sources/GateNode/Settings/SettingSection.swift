/// The chapters of the table of settings, in the order in which the help text shows them.
package enum SettingSection: CaseIterable, Sendable {
    case backend, pricing, access, state, http, process, later

    package var title: String {
        switch self {
        case .backend: "Backend"
        case .pricing: "Pricing and the gate"
        case .access: "Access"
        case .state: "State"
        case .http: "HTTP"
        case .process: "The process"
        case .later: "Accepted, without effect in this version"
        }
    }

    package var settings: [Setting] {
        switch self {
        case .backend: Setting.backend
        case .pricing: Setting.pricing
        case .access: Setting.access
        case .state: Setting.state
        case .http: Setting.http
        case .process: Setting.process
        case .later: Setting.later
        }
    }
}
