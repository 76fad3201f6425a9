//! `transaction: one`: the text, its history row and our record commit together, or not at all.

use refinery::Target as Until;

use super::{Deployer, Trouble, failure};
use crate::error::Result;
use crate::migrations::set::File;

pub(super) fn run(deployer: &mut Deployer<'_>, file: &File) -> Result<()> {
    let result = deployer.patiently(file, |deployer| {
        deployer
            .refinery(file, Until::Version(file.version()))
            .map_err(|error| match failure::of(&error) {
                Some(found) => Trouble::Failed(found),
                None => Trouble::Other(failure::of_refinery(file, &error)),
            })
    });
    result.map_err(|trouble| match trouble {
        Trouble::Failed(found) => failure::rolled_back(deployer, file, &found),
        Trouble::Locked(gave_up) => failure::locked(deployer, file, &gave_up)
            .detail("it was rolled back each time: nothing of it was changed"),
        Trouble::Other(error) => error,
    })
}
