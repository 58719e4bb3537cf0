//! How far something is, for whoever looks at stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr where that is a terminal, and nothing elsewhere. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar that counts `what`.
    pub(crate) fn new(what: &'static str) -> Self {
        Self::drawn_to(ProgressDrawTarget::stderr(), what)
    }

    /// No bar: what is written appears where it would be.
    pub(crate) fn hidden() -> Self {
        Self::drawn_to(ProgressDrawTarget::hidden(), "")
    }

    fn drawn_to(target: ProgressDrawTarget, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target).with_message(what);
        let style = ProgressStyle::with_template(TEMPLATE);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// So many are to be done from here on.
    pub(crate) fn begin(&self, total: u64) {
        self.0.set_length(total);
    }

    /// So many are done.
    pub(crate) fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

const TEMPLATE: &str = "{wide_bar} {human_pos} of {human_len} {msg}, {eta} to go";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        ProgressStyle::with_template(TEMPLATE).unwrap();
    }
}
