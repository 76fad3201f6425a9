//! `status` and `migrate` as text.

use std::io::{self, Write};

use crate::report::{Deployment, Status};

pub(super) fn status(_status: &Status, _out: &mut dyn Write) -> io::Result<()> {
    todo!()
}

pub(super) fn deployment(_deployment: &Deployment, _out: &mut dyn Write) -> io::Result<()> {
    todo!()
}
