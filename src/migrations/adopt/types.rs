//! Whether a column type holds every value of another one, and keeps its meaning.

use super::rules::Verdict;

/// What a type can hold, as far as widths are concerned.
#[derive(Debug, PartialEq, Eq)]
enum Width {
    /// Characters; none is unlimited.
    Text(Option<u32>),
    /// Digits before and behind the point; none is unlimited.
    Numeric(Option<(i64, i64)>),
    /// Bytes of an integer.
    Integer(u32),
    /// Binary floating point.
    Float,
    Other,
}

fn width(ty: &str) -> Width {
    let (name, arguments) = ty
        .strip_suffix(')')
        .and_then(|ty| ty.split_once('('))
        .unwrap_or((ty, ""));
    let mut numbers = arguments.split(',').map_while(|n| n.parse::<i64>().ok());
    match name {
        "text" => Width::Text(None),
        "character varying" => Width::Text(numbers.next().and_then(|n| u32::try_from(n).ok())),
        "numeric" => Width::Numeric(numbers.next().map(|precision| {
            let scale = numbers.next().unwrap_or(0);
            (precision - scale, scale)
        })),
        "smallint" => Width::Integer(2),
        "integer" => Width::Integer(4),
        "bigint" => Width::Integer(8),
        "real" | "double precision" => Width::Float,
        _ => Width::Other,
    }
}

/// Harmless when every value of the expected type fits the actual one and stays the same.
pub(super) fn compare(expected: &str, actual: &str) -> Verdict {
    let wider = match (width(expected), width(actual)) {
        (_, Width::Float) => return (true, "floating-point numbers lose fractions of a credit"),
        (Width::Text(wanted), Width::Text(held)) => {
            held.is_none_or(|held| wanted.is_some_and(|wanted| held >= wanted))
        }
        (Width::Numeric(wanted), Width::Numeric(held)) => {
            held.is_none_or(|(whole, scale)| wanted.is_some_and(|(w, s)| whole >= w && scale >= s))
        }
        (Width::Integer(wanted), Width::Integer(held)) => held >= wanted,
        _ => return (true, "another type: values do not mean the same"),
    };
    if wider {
        (false, "a wider type")
    } else {
        (true, "a narrower type: values do not fit")
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn wider_is_harmless_and_everything_else_is_not() {
        let harmless = [
            ("text", "character varying"),
            ("character varying(20)", "character varying(21)"),
            ("character varying(20)", "text"),
            ("numeric(20,8)", "numeric"),
            ("numeric(20,8)", "numeric(22,9)"),
            ("numeric(20,8)", "numeric(21,8)"),
            ("integer", "bigint"),
        ];
        for (expected, actual) in harmless {
            assert!(!compare(expected, actual).0, "{expected} as {actual}");
        }
        let blocking = [
            ("text", "character varying(255)"),
            ("numeric(20,8)", "numeric(20,9)"),
            ("numeric(20,8)", "numeric(30,6)"),
            ("numeric", "numeric(20,8)"),
            ("numeric(20,8)", "double precision"),
            ("numeric(20,8)", "real"),
            ("numeric(20,8)", "money"),
            ("numeric(20,8)", "bigint"),
            ("bigint", "integer"),
            ("uuid", "text"),
            ("text", "character(36)"),
            ("timestamp with time zone", "timestamp without time zone"),
            ("timestamp with time zone", "timestamp(3) with time zone"),
        ];
        for (expected, actual) in blocking {
            assert!(compare(expected, actual).0, "{expected} as {actual}");
        }
    }
}
