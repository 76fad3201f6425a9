//! `creditdb lint`.

use std::fs;
use std::path::{Path, PathBuf};

use super::Outcome;
use crate::cli::LintArgs;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::files;
use crate::lint::{self, Source};
use crate::migrations::Set;
use crate::output::progress::Terminal;
use crate::report::{LintRule, Progress, Report};

pub(super) fn run(args: &LintArgs) -> Result<Outcome> {
    if args.rules {
        return Ok(done(Report::LintRules(lint::rules())));
    }
    if let Some(id) = &args.explain {
        return explain(id).map(|rule| done(Report::LintRule(rule)));
    }
    let mut sources = match &args.source.migrations {
        _ if !args.files.is_empty() => with_earlier_siblings(&args.files)?,
        Some(directory) => below(directory)?,
        None => embedded(),
    };
    if let Some(from) = args.from {
        let left_out = leave_out_before(from, &mut sources)?;
        // Whoever names a file wants it judged.
        for path in left_out.iter().filter(|_| !args.files.is_empty()) {
            let remark = format!("\"{path}\" is older than --from {from}, and not judged");
            Terminal::default().remark(&remark);
        }
    }
    let report = lint::lint(&sources);
    let exit = if report.findings.iter().any(|found| found.severity.fails()) {
        Exit::Findings
    } else {
        Exit::Done
    };
    Ok(Outcome {
        report: Report::Lint(report),
        exit,
    })
}

/// Takes what is older than a version for the existing schema, and tells which files that were. A
/// judgement of nothing would be taken for a good one.
fn leave_out_before(from: i32, sources: &mut [Source]) -> Result<Vec<String>> {
    let newest = sources.iter().filter_map(|source| source.version).max();
    let mut left_out = Vec::new();
    for source in sources.iter_mut() {
        if source.version.is_some_and(|version| version < from) && !source.existing {
            source.existing = true;
            left_out.push(source.path.clone());
        }
    }
    if sources.iter().any(|source| !source.existing) {
        return Ok(left_out);
    }
    let primary = match left_out.as_slice() {
        [path] => format!("nothing is left to judge: \"{path}\" is older than --from {from}"),
        paths => {
            let count = paths.len();
            format!("nothing is left to judge: all {count} files are older than --from {from}")
        }
    };
    let newest = newest.unwrap_or_default();
    Err(Error::usage(primary)
        .detail(format!("the newest file has version {newest}"))
        .hint(format!("leave --from out, or give {newest} or less")))
}

fn done(report: Report) -> Outcome {
    Outcome {
        report,
        exit: Exit::Done,
    }
}

fn explain(id: &str) -> Result<LintRule> {
    lint::rules()
        .into_iter()
        .find(|rule| rule.id == id)
        .ok_or_else(|| {
            Error::usage(format!("there is no rule \"{id}\"")).hint("creditdb lint --rules")
        })
}

/// The embedded migrations, by version.
fn embedded() -> Vec<Source> {
    let set = Set::embedded();
    let source = |(path, text): (&str, &str)| Source {
        path: path.to_owned(),
        text: text.to_owned(),
        version: files::version(Path::new(path)),
        existing: false,
    };
    set.texts().map(source).collect()
}

/// All SQL files below a directory, by version; files without one come last.
fn below(directory: &Path) -> Result<Vec<Source>> {
    let paths = files::below(directory)?;
    let mut sources = paths
        .iter()
        .filter(|path| is_sql(path))
        .map(|path| read(path, false))
        .collect::<Result<Vec<_>>>()?;
    if sources.is_empty() {
        return Err(
            Error::usage(format!("no migrations in \"{}\"", directory.display()))
                .detail("migrations are files named V<number>__<words>.sql")
                .hint("name another directory with --migrations"),
        );
    }
    sources.sort_by_key(order);
    Ok(sources)
}

/// Files that were named, with those of lower versions beside them as the existing schema.
fn with_earlier_siblings(named: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders: Vec<&Path> = Vec::new();
    for path in named {
        sources.push(read(path, false)?);
        let folder = files::folder_of(path);
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    // A file without a version comes after all others.
    let newest = sources.iter().map(order).max();
    let place = |path: &Path| fs::canonicalize(path).ok();
    let named: Vec<_> = named.iter().map(|path| place(path)).collect();
    for folder in folders {
        for path in files::within(folder)? {
            let path = path.strip_prefix("./").unwrap_or(&path);
            let earlier = files::version(path).is_some_and(|version| Some(version) < newest);
            if earlier && is_sql(path) && !named.contains(&place(path)) {
                sources.push(read(path, true)?);
            }
        }
    }
    sources.sort_by_key(order);
    Ok(sources)
}

fn order(source: &Source) -> i32 {
    source.version.unwrap_or(i32::MAX)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "sql")
}

fn read(path: &Path, existing: bool) -> Result<Source> {
    Ok(Source {
        path: path.display().to_string(),
        text: files::read(path)?,
        version: files::version(path),
        existing,
    })
}
