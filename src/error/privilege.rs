//! What would give a role the privilege that a server missed (SQLSTATE 42501).
//!
//! A server may speak any language, so what it says is a last resort: the name of the routine that
//! raised the error is never translated. The routine for objects of all kinds tells no more, and in
//! another language than English there is then no hint rather than a wrong one.

/// The next step, where one is known to be right.
pub(super) fn what_grants(routine: Option<&str>, message: &str) -> Option<String> {
    match routine.unwrap_or_default() {
        "createdb" => Some("ALTER ROLE <role> CREATEDB".to_owned()),
        "InitTempTableNamespace" => {
            let database = quoted(message).unwrap_or("<database>");
            Some(format!("GRANT TEMPORARY ON DATABASE {database} TO <role>"))
        }
        // The second one since PostgreSQL 16.
        "check_is_member_of_role" | "check_can_set_role" => {
            let other = quoted(message).unwrap_or("<the other role>");
            Some(format!("GRANT {other} TO <role>"))
        }
        "aclcheck_error" => of_object(message),
        _ => None,
    }
}

/// Which privilege was missed is not said, only on what.
fn of_object(message: &str) -> Option<String> {
    if message.starts_with("must be owner of ") {
        return Some("connect as the owner, or as a superuser".to_owned());
    }
    let object = message.strip_prefix("permission denied for ")?;
    let (kind, name) = object.rsplit_once(' ')?;
    Some(match kind {
        "table" | "view" | "materialized view" => {
            "connect as the owner, or GRANT what is missing; to read, that is: \
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO <role>"
                .to_owned()
        }
        "sequence" => format!("GRANT USAGE, SELECT ON SEQUENCE {name} TO <role>"),
        "schema" => format!(
            "GRANT USAGE ON SCHEMA {name} TO <role>; to make something in it: \
             GRANT CREATE ON SCHEMA {name} TO <role>"
        ),
        "function" => format!("GRANT EXECUTE ON FUNCTION {name} TO <role>"),
        "database" => format!("GRANT CREATE ON DATABASE {name} TO <role>"),
        _ => return None,
    })
}

/// The first name in a message, with its quotes; other languages have other quotes.
fn quoted(message: &str) -> Option<&str> {
    let start = message.find('"')?;
    let length = message[start + 1..].find('"')?;
    Some(&message[start..start + length + 2])
}

#[cfg(test)]
mod tests {
    use super::what_grants;

    #[test]
    fn each_missing_privilege_has_its_own_next_step() {
        let cases = [
            (
                "aclcheck_error",
                "permission denied for table t",
                Some("GRANT SELECT ON"),
            ),
            (
                "aclcheck_error",
                "permission denied for schema s",
                Some("GRANT USAGE ON SCHEMA s "),
            ),
            ("aclcheck_error", "keine Berechtigung für Schema s", None),
            ("aclcheck_error", "permission denied for tablespace t", None),
            (
                "aclcheck_error",
                "must be owner of table t",
                Some("connect as the owner"),
            ),
            (
                "createdb",
                "keine Berechtigung, um Datenbank zu erzeugen",
                Some("CREATEDB"),
            ),
            (
                "InitTempTableNamespace",
                "permission denied to create temporary tables in database \"a b\"",
                Some("GRANT TEMPORARY ON DATABASE \"a b\" TO"),
            ),
            (
                "InitTempTableNamespace",
                "droit refusé pour la création de tables temporaires dans la base « a b »",
                Some("GRANT TEMPORARY ON DATABASE <database> TO"),
            ),
            (
                "check_is_member_of_role",
                "must be member of role \"x\"",
                Some("GRANT \"x\" TO <role>"),
            ),
            (
                "check_can_set_role",
                "must be able to SET ROLE \"x\"",
                Some("GRANT \"x\" TO"),
            ),
            (
                "set_config_option",
                "permission denied to set parameter \"x\"",
                None,
            ),
        ];
        for (routine, message, expected) in cases {
            let hint = what_grants(Some(routine), message);
            let fits = match (&hint, expected) {
                (Some(hint), Some(words)) => hint.contains(words),
                (hint, expected) => hint.is_none() && expected.is_none(),
            };
            assert!(fits, "{message}: {hint:?}");
        }
    }
}
