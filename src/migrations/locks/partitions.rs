//! Tables that become children of others, and cease to be.

use squawk_syntax::ast;

use super::level::Level::{AccessExclusive, AccessShare, ShareRowExclusive};
use super::statement::Reader;
use super::world::Id;

pub(super) fn attach(reader: &mut Reader<'_>, parent: Id, attach: &ast::AttachPartition) {
    let Some(child) = reader.known(attach, false) else {
        return;
    };
    let is_default = matches!(
        attach.partition_type(),
        Some(ast::PartitionType::PartitionDefault(_))
    );
    let siblings = reader.world.relations[parent].children.clone();
    for table in reader.world.family(child) {
        // A check that proves the bound saves the scan; whether one does is for the server.
        reader
            .effects
            .may_scan(reader.world, table, AccessExclusive);
    }
    for sibling in siblings {
        if reader.world.relations[sibling].is_default {
            reader
                .effects
                .may_scan(reader.world, sibling, AccessExclusive);
        }
    }
    // Foreign keys of the parent become those of the partition, and are checked.
    let targets: Vec<Id> = reader.world.relations[parent]
        .constraints
        .iter()
        .filter_map(|c| c.target)
        .collect();
    for target in targets {
        reader.effects.lock(target, ShareRowExclusive);
        reader.effects.may_scan(reader.world, target, AccessShare);
    }
    reader.world.relations[child].is_default = is_default;
    reader.world.relations[parent].children.push(child);
    reader.world.relations[child].parents.push(parent);
}

pub(super) fn detach(reader: &mut Reader<'_>, parent: Id, detach: &ast::DetachPartition) {
    let Some(child) = reader.known(detach, false) else {
        return;
    };
    reader.effects.lock(child, AccessExclusive);
    for sibling in reader.world.relations[parent].children.clone() {
        if reader.world.relations[sibling].is_default && sibling != child {
            reader.effects.lock(sibling, AccessExclusive);
        }
    }
    let targets: Vec<Id> = reader.world.relations[parent]
        .constraints
        .iter()
        .filter_map(|c| c.target)
        .collect();
    for target in targets {
        reader.effects.lock(target, ShareRowExclusive);
    }
    part(reader, parent, child);
}

pub(super) fn part(reader: &mut Reader<'_>, parent: Id, child: Id) {
    reader.world.relations[parent]
        .children
        .retain(|id| *id != child);
    reader.world.relations[child]
        .parents
        .retain(|id| *id != parent);
}
