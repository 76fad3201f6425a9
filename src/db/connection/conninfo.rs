//! Reads connection URLs and connection strings into parameters, by the rules of libpq.
//!
//! No error of this module repeats a piece of what it read: where quoting or percent-encoding is
//! wrong, any piece may be a part of the password.

use percent_encoding::percent_decode_str;

use super::parameters;
use crate::error::{Error, Result};

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Parameters in the order in which they were written; of two with one name the later one counts.
pub(super) type Pairs = Vec<(String, String)>;

/// Reads a URL (`postgres://user@host/db?sslmode=require`) or a connection string
/// (`host=localhost dbname='my db'`).
pub(super) fn parse(text: &str) -> Result<Pairs> {
    let Some(rest) = after_scheme(text) else {
        return parse_words(text);
    };
    parse_url(rest).map_err(|error| {
        if credentials(rest).is_none() && rest.contains('@') {
            error.hint("in user names and passwords write / as %2F, ? as %3F, # as %23, @ as %40")
        } else {
            error
        }
    })
}

/// Why a text cannot be read that is meant as a URL of ours or seems to hold a password: any of its
/// pieces may be a secret, and so may be what stands beside it where a quote was forgotten.
pub fn unreadable(text: &str) -> Option<Error> {
    let error = parse(text).err()?;
    (is_url(text) || holds_password(text)).then_some(error)
}

/// Whether a text of any kind seems to hold a password: behind `password=`, however it is written
/// and whatever it is a part of, or between user and host of a URL.
pub fn holds_password(text: &str) -> bool {
    let plain = percent_decode_str(text).decode_utf8_lossy();
    let plain = plain.to_ascii_lowercase();
    let is_named = ["password", "passwd", "pwd"].iter().any(|name| {
        plain.match_indices(name).any(|(at, _)| {
            let behind = plain[at + name.len()..].trim_start();
            behind.starts_with('=')
        })
    });
    let in_url = |text: &str| {
        text.split_once("//")
            .and_then(|(_, rest)| rest.rsplit_once('@'))
            .is_some_and(|(account, _)| account.contains(':'))
    };
    is_named || in_url(&plain) || is_url(text) && parse(text).is_err()
}

/// Whether a text is meant as a URL of ours.
pub(super) fn is_url(text: &str) -> bool {
    after_scheme(text).is_some()
}

fn after_scheme(text: &str) -> Option<&str> {
    SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme))
}

fn malformed(why: &str) -> Error {
    Error::usage(format!("the database URL cannot be read: {why}"))
        .hint("write postgres://USER@HOST:PORT/DATABASE, the password in PGPASSWORD or ~/.pgpass")
}

/// The part before the `@`, and what follows it. Like libpq, a `/` ends the search: behind it an
/// `@` belongs to a database name or a parameter.
fn credentials(rest: &str) -> Option<(&str, &str)> {
    let end = rest.find(['@', '/'])?;
    let after = rest[end..].strip_prefix('@')?;
    Some((&rest[..end], after))
}

fn parse_url(rest: &str) -> Result<Pairs> {
    let mut pairs = Pairs::new();
    let mut add = |key: &str, value: &str| -> Result<()> {
        if !value.is_empty() {
            pairs.push((key.to_owned(), decode(value)?));
        }
        Ok(())
    };
    let (account, rest) = credentials(rest).unwrap_or(("", rest));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    add("user", user)?;
    add("password", password)?;
    let hosts_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (hosts, rest) = rest.split_at(hosts_end);
    let (hosts, ports) = split_hosts(hosts)?;
    add("host", &hosts)?;
    add("port", &ports)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // libpq would take it as a part of the name, but a / in a password is the likelier cause.
    if path.contains('@') {
        return Err(malformed("there is an @ behind a /").hint("write / as %2F and @ as %40"));
    }
    add("dbname", path.strip_prefix('/').unwrap_or(path))?;
    for parameter in query.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = parameter
            .split_once('=')
            .filter(|(_, value)| !value.contains('='))
            .ok_or_else(|| {
                malformed("a parameter behind the ? is not of the form name=value")
                    .hint("write a = in a value as %3D, an & as %26, a space as %20")
            })?;
        match (decode(key)?, decode(value)?) {
            // What JDBC writes, and libpq understands for its sake.
            (key, value) if key == "ssl" && value == "true" => {
                pairs.push(("sslmode".to_owned(), "require".to_owned()));
            }
            pair => pairs.push(pair),
        }
    }
    Ok(pairs)
}

/// Takes `a:1,[::1]:2` apart: `a,::1` and `1,2`.
fn split_hosts(text: &str) -> Result<(String, String)> {
    // An @ that is left here was meant as a part of the password, or follows one that was.
    if text.contains('@') {
        return Err(malformed("it has an @ too many").hint("in a password write @ as %40"));
    }
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for part in text.split(',') {
        let (host, port) = match part.strip_prefix('[') {
            Some(address) => address
                .split_once(']')
                .ok_or_else(|| malformed("an IPv6 address lacks its ]"))?,
            None => part.split_at(part.find(':').unwrap_or(part.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port,
            None if port.is_empty() => "",
            None => return Err(malformed("something follows the ] of an IPv6 address")),
        };
        // Refused here and without its text: in `postgres://u:a/b@host` this is the password.
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed("a port is not a number"));
        }
        hosts.push(host);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) {
        String::new()
    } else {
        ports.join(",")
    };
    Ok((hosts.join(","), ports))
}

fn decode(text: &str) -> Result<String> {
    let mut pieces = text.split('%');
    pieces.next();
    let is_escape = |piece: &str| {
        piece
            .as_bytes()
            .get(..2)
            .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit) && two != b"00")
    };
    if !pieces.all(is_escape) {
        return Err(malformed("a % is not followed by two hexadecimal digits")
            .hint("write a % that is meant as such as %25"));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded
        .map_err(|_| malformed("its percent-encoded text is not UTF-8"))?
        .into_owned())
}

fn parse_words(text: &str) -> Result<Pairs> {
    let refuse = |why: &str| {
        Error::usage(format!("the database to connect to cannot be read: {why}")).hint(
            "write postgres://USER@HOST:PORT/DATABASE, or host=HOST dbname=DATABASE user='A B'",
        )
    };
    let mut pairs = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .map(|(key, after)| (key.trim_end(), after))
            .filter(|(key, _)| is_name(key))
            .ok_or_else(|| refuse("it is neither a URL nor made of name=value words"))?;
        let (value, after) = word(after.trim_start())
            .ok_or_else(|| refuse("a quoted value lacks its closing quote"))?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// Of something else, such as a URL of another scheme, a "name" may hold the password.
fn is_name(key: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !key.is_empty() && key.bytes().all(is_part)
}

/// One value, quoted or not, and what follows it. A backslash takes the next character as it is.
fn word(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Some((value, &text[at + 1..])),
            space if !quoted && space.is_whitespace() => return Some((value, &text[at..])),
            other => value.push(other),
        }
    }
    (!quoted).then_some((value, ""))
}

/// Splits a URL or connection string into one without password and the password. None where there
/// is no password, or where the text cannot be read (then no connection comes of it either).
pub fn take_password(text: &str) -> Option<(String, String)> {
    let pairs = parse(text).ok()?;
    let (_, password) = pairs
        .iter()
        .rev()
        .find(|(key, value)| key == "password" && !value.is_empty())?;
    let rest = match after_scheme(text) {
        Some(rest) => format!(
            "{}{}",
            &text[..text.len() - rest.len()],
            url_without_password(rest)
        ),
        None => words_without_password(&pairs),
    };
    Some((rest, password.clone()))
}

fn words_without_password(pairs: &Pairs) -> String {
    let mut words = Vec::new();
    let mut before = "";
    for (key, value) in pairs {
        if before == "password" && !parameters::is_known(key) {
            // A password with a space that is not quoted: the "name" is its second half. What is
            // left must stay unreadable, so that the mistake is reported.
            words.push("…".to_owned());
        } else if key != "password" {
            words.push(format!("{key}='{}'", escape(value)));
        }
        before = key;
    }
    words.join(" ")
}

fn url_without_password(rest: &str) -> String {
    let (account, rest) = match credentials(rest) {
        Some((account, rest)) => {
            let user = account.split(':').next().unwrap_or_default();
            (format!("{user}@"), rest)
        }
        None => (String::new(), rest),
    };
    let Some((before, query)) = rest.split_once('?') else {
        return account + rest;
    };
    let is_password = |parameter: &&str| {
        let key = parameter.split('=').next().unwrap_or_default();
        decode(key).is_ok_and(|key| key == "password")
    };
    let kept: Vec<&str> = query.split('&').filter(|p| !is_password(p)).collect();
    format!("{account}{before}?{}", kept.join("&"))
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match parse(text) {
            Ok(pairs) => {
                let words: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
                words.join(" ")
            }
            Err(error) => {
                let all = format!("{} {:?}", error.primary(), error.next_step());
                assert!(!all.contains("secret"), "{all}");
                format!("error: {}", error.primary())
            }
        }
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        let cases = [
            ("postgres://", ""),
            ("postgresql://localhost", "host=localhost"),
            ("postgres://u@h:6432/d", "user=u host=h port=6432 dbname=d"),
            (
                "postgres://u%40x:p%2F%25@h/d",
                "user=u@x password=p/% host=h dbname=d",
            ),
            (
                "postgres://a:1,b,[::1]:3/d",
                "host=a,b,::1 port=1,,3 dbname=d",
            ),
            (
                "postgres:///d?host=/run/pg&port=7",
                "dbname=d host=/run/pg port=7",
            ),
            ("postgres://%2Frun%2Fpg/d", "host=/run/pg dbname=d"),
            ("postgres://h/a%40b", "host=h dbname=a@b"),
            ("postgres://h?ssl=true", "host=h sslmode=require"),
            ("postgres://u:@h", "user=u host=h"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn connection_strings_are_read_as_libpq_reads_them() {
        let cases = [
            ("", ""),
            ("host=h  port = 5 ", "host=h port=5"),
            (
                r"password='it\'s \\ one' user=u",
                r"password=it's \ one user=u",
            ),
            (r"password=a\ b", "password=a b"),
            ("dbname='' user=u", "dbname= user=u"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let cases = [
            "postgres://u:secret/x@h/d",
            "postgres://u:1/secret?secret@h/d",
            "postgres://u:1/secret@h/d",
            "postgres://u:secret@secret@h/d",
            "postgres://u:%secret@h/d",
            "postgres://u@h/d?secret",
            "postgres://u@h/d?password=a=secret",
            "postgres://u@[::1/secret",
            "mysecret",
            "password=my secret",
            "password='my secret",
            "jdbc:postgresql://u:secret@h/d?user=u",
            "postgresql+psycopg2://u:secret@h/d?sslmode=require",
            "POSTGRES://u:secret@h/d?sslmode=require",
        ];
        for text in cases {
            assert!(read(text).starts_with("error: "), "{text}");
        }
    }

    #[test]
    fn a_password_is_taken_out_of_every_form() {
        let cases = [
            (
                "postgres://u:p%20w@h/d?sslmode=require",
                "postgres://u@h/d?sslmode=require",
                "p w",
            ),
            (
                "postgres://u@h?password=p&port=1",
                "postgres://u@h?port=1",
                "p",
            ),
            ("postgres://u:a@h?passw%6Frd=b", "postgres://u@h?", "b"),
            (
                r"user=u password='p\'w' dbname='a b'",
                "user='u' dbname='a b'",
                "p'w",
            ),
        ];
        for (text, rest, password) in cases {
            let taken = take_password(text);
            assert_eq!(
                taken,
                Some((rest.to_owned(), password.to_owned())),
                "{text}"
            );
            assert_eq!(take_password(rest), None);
        }
        for text in ["postgres://u@h/d", "postgres://u:@h/d", "user=u", "status"] {
            assert_eq!(take_password(text), None, "{text}");
        }
    }
}
