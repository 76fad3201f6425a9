//! `lint` as text: each finding with its place in the file.

use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use crate::report::{Lint, LintFinding, LintRule, LintedFile, Severity};

pub(super) fn findings(lint: &Lint, out: &mut dyn Write) -> io::Result<()> {
    for finding in &lint.findings {
        writeln!(out, "{}\n", snippet(finding, &lint.files[finding.file]))?;
    }
    let style = Style::new().bold().fg_color(Some(colour(lint).into()));
    let files = count(lint.files.len(), "file");
    match lint.findings.len() {
        0 => write!(out, "{style}nothing found{style:#} in {files}")?,
        n => write!(out, "{style}{}{style:#} in {files}", count(n, "finding"))?,
    }
    if !lint.allowed.is_empty() {
        write!(out, ", {} allowed with a reason", lint.allowed.len())?;
    }
    writeln!(out)
}

fn snippet(finding: &LintFinding, file: &LintedFile) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let source = Snippet::source(&file.text)
        .path(&file.path)
        .annotation(AnnotationKind::Primary.span(finding.span.clone()));
    let group = level
        .primary_title(&finding.message)
        .id(finding.rule)
        .element(source)
        .element(Level::HELP.message(finding.remedy));
    Renderer::styled()
        .render(&[group])
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

fn colour(lint: &Lint) -> AnsiColor {
    let has = |severity| lint.findings.iter().any(|f| f.severity == severity);
    if has(Severity::Error) {
        AnsiColor::Red
    } else if has(Severity::Warning) {
        AnsiColor::Yellow
    } else {
        AnsiColor::Green
    }
}

fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    }
}

pub(super) fn rules(rules: &[LintRule], out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let mut area = "";
    for rule in rules {
        if rule.area != area {
            let gap = if area.is_empty() { "" } else { "\n" };
            area = rule.area;
            writeln!(out, "{gap}{bold}{area}{bold:#}")?;
        }
        let severity = rule.severity.word();
        writeln!(out, "  {:<width$}  {severity:<7}  {}", rule.id, rule.title)?;
    }
    Ok(())
}

pub(super) fn rule(rule: &LintRule, out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let LintRule {
        id,
        area,
        severity,
        title,
        why,
        remedy,
    } = rule;
    writeln!(out, "{bold}{id}{bold:#} ({area}, {})", severity.word())?;
    writeln!(out, "\n{title}")?;
    writeln!(out, "\n{bold}why:{bold:#} {why}")?;
    writeln!(out, "\n{bold}instead:{bold:#} {remedy}")?;
    writeln!(
        out,
        "\n{bold}to allow it:{bold:#} -- creditdb: allow {id}: the reason"
    )
}
