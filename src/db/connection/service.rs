//! The service file: named sets of parameters in INI form.

use std::fs;
use std::path::PathBuf;

use super::parameters::{Environment, at_home, variable};
use crate::error::{Error, Result};

/// The parameters of a service: of `PGSERVICEFILE`, else `~/.pg_service.conf`, else the one in
/// `PGSYSCONFDIR`. An unknown service is an error, because a connection without its parameters
/// would go elsewhere.
pub(super) fn read(service: &str, environment: Environment<'_>) -> Result<Vec<(String, String)>> {
    let own = match variable(environment, "PGSERVICEFILE")? {
        Some(file) => Some(PathBuf::from(file)),
        None => at_home(environment, ".pg_service.conf"),
    };
    let system = variable(environment, "PGSYSCONFDIR")?
        .map(|folder| PathBuf::from(folder).join("pg_service.conf"));
    let mut looked_at = Vec::new();
    for path in own.into_iter().chain(system) {
        let text = fs::read_to_string(&path);
        looked_at.push(match &text {
            Ok(_) => format!("no such service in \"{}\"", path.display()),
            Err(error) => format!("cannot read \"{}\": {error}", path.display()),
        });
        if let Some(found) = text.ok().and_then(|text| section(&text, service)) {
            return found.ok_or_else(|| {
                let message = format!("service file \"{}\" is malformed", path.display());
                Error::usage(message).detail(format!(
                    "a line of the service \"{service}\" is not of the form name=value"
                ))
            });
        }
    }
    let error = Error::usage(format!("connection service \"{service}\" is not defined"))
        .hint("define it in ~/.pg_service.conf, or unset PGSERVICE");
    Err(looked_at.into_iter().fold(error, Error::detail))
}

/// The lines of one section; the inner None stands for a line that cannot be read.
#[allow(clippy::option_option)]
fn section(text: &str, service: &str) -> Option<Option<Vec<(String, String)>>> {
    let header = format!("[{service}]");
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| *line == header)?;
    let pairs = lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (key, value) = line.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        });
    Some(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn a_section_ends_where_the_next_one_starts() {
        let text = "# all\n[a]\nhost=x\n\n# port=1\nport = 2\n[b]\nhost=y\nbroken\n";
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let found = section(text, "a");
        assert_eq!(
            found,
            Some(Some(vec![pair("host", "x"), pair("port", "2")]))
        );
        assert_eq!(section(text, "b"), Some(None));
        assert_eq!(section(text, "c"), None);
    }
}
