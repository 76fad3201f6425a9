//! `sample` as text.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::report::Sample;

pub(super) fn write(sample: &Sample, out: &mut dyn Write) -> io::Result<()> {
    let green = Style::new().bold().fg_color(Some(AnsiColor::Green.into()));
    let Sample {
        users,
        requests,
        entries,
        seed,
        until,
        elapsed_ms,
    } = sample;
    writeln!(
        out,
        "{green}filled{green:#}: {users} users, {requests} requests, {entries} entries in {elapsed_ms} ms"
    )?;
    writeln!(
        out,
        "the same again: --users {users} --requests {requests} --seed {seed} --until {until}"
    )
}
