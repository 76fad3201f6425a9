//! Progress for people: bars and remarks on stderr, bars only when stderr is a terminal.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::plain_lines;
use crate::report::Progress;

const BAR: &str = "{msg} {wide_bar} {human_pos}/{human_len} {elapsed} (left {eta})";
/// Nobody knows how much there is to do.
const OPEN: &str = "{msg} {human_pos} {elapsed} {spinner}";

/// Shows progress on stderr.
#[derive(Default)]
pub struct Terminal {
    /// Draws on stderr, and nothing when that is not a terminal.
    lines: MultiProgress,
    /// One for each piece of work that has begun, the innermost last.
    bars: Mutex<Vec<ProgressBar>>,
}

impl Terminal {
    /// Acts on the bar of the innermost piece of work.
    fn on_last(&self, act: impl FnOnce(&ProgressBar)) {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.last() {
            act(bar);
        }
    }
}

impl Progress for Terminal {
    fn begin(&self, what: &str, steps: u64) {
        let bar = match steps {
            0 => ProgressBar::no_length().with_style(style(OPEN)),
            _ => ProgressBar::new(steps).with_style(style(BAR)),
        };
        let bar = self.lines.add(bar.with_message(what.to_owned()));
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        bars.push(bar);
    }

    fn advance(&self, steps: u64) {
        self.on_last(|bar| bar.inc(steps));
    }

    fn at(&self, done: u64, steps: u64) {
        self.on_last(|bar| {
            if bar.length().is_none() {
                bar.set_style(style(BAR));
            }
            bar.set_length(steps);
            bar.set_position(done);
        });
    }

    fn end(&self) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.pop() {
            bar.finish_and_clear();
            self.lines.remove(&bar);
        }
    }

    fn remark(&self, line: &str) {
        self.lines.suspend(|| {
            let _ = writeln!(anstream::stderr().lock(), "{}", plain_lines(line));
        });
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
