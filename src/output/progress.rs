//! Progress for people: bars and remarks on stderr, bars only when stderr is a terminal.

use std::io::Write;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::Progress;

/// Shows progress on stderr.
#[derive(Default)]
pub struct Terminal {
    bar: Mutex<Option<ProgressBar>>,
}

impl Terminal {
    fn with_bar(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        if let Ok(mut bar) = self.bar.lock() {
            act(&mut bar);
        }
    }
}

impl Progress for Terminal {
    fn begin(&self, what: &str, steps: u64) {
        let template = "{msg} {wide_bar} {human_pos}/{human_len} {elapsed} (left {eta})";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // indicatif draws nothing when stderr is not a terminal.
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr())
            .with_style(style)
            .with_message(what.to_owned());
        self.with_bar(|slot| *slot = Some(bar));
    }

    fn advance(&self, steps: u64) {
        self.with_bar(|slot| {
            if let Some(bar) = slot {
                bar.inc(steps);
            }
        });
    }

    fn end(&self) {
        self.with_bar(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn remark(&self, line: &str) {
        self.with_bar(|slot| {
            let print = || {
                let _ = writeln!(anstream::stderr().lock(), "{line}");
            };
            match slot {
                Some(bar) => bar.suspend(print),
                None => print(),
            }
        });
    }
}
