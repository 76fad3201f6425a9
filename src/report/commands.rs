//! The commands that a report names as the next step.

/// How they are typed so that they are about the same migrations: without `--migrations`, those of
/// the ledger would be applied to somebody else's database.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    options: String,
}

impl Commands {
    /// For the migrations of a directory, which is quoted for a shell.
    pub fn about(directory: &str) -> Self {
        Self {
            options: format!(" --migrations {directory}"),
        }
    }

    /// The command of a name, such as `migrate`.
    pub fn of(&self, name: &str) -> String {
        format!("creditdb {name}{}", self.options)
    }
}
