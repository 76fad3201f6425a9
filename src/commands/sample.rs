//! `creditdb sample`.

use super::{Outcome, connect};
use crate::cli::{Global, SampleArgs, SampleSize, Until};
use crate::error::Result;
use crate::exit::Exit;
use crate::output::progress::Terminal;
use crate::report::Report;
use crate::sample::{self, Size};

pub(super) fn run(args: &SampleArgs, global: &Global) -> Result<Outcome> {
    let mut client = connect::client(global)?;
    let sample = sample::fill(&mut client, size(args.size), &Terminal::default())?;
    Ok(Outcome {
        report: Report::Sample(sample),
        exit: Exit::Done,
    })
}

/// The size that the arguments ask for.
pub(super) fn size(size: SampleSize) -> Size {
    let SampleSize {
        users,
        requests,
        seed,
        until,
    } = size;
    Size {
        users,
        requests,
        seed,
        until: match until {
            Until::Now => None,
            Until::At(moment) => Some(moment),
        },
    }
}
