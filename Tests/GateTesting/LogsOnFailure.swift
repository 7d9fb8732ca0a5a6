// What the processes of a failed test had to say.

package import Testing

extension Trait where Self == IssueHandlingTrait {
    /// Adds the newest output of every running program to each failure.
    package static var logsOnFailure: Self {
        .compactMapIssues { issue in
            var issue = issue
            issue.comments += LivePrograms.newOutput.map { Comment(rawValue: $0) }
            return issue
        }
    }
}
