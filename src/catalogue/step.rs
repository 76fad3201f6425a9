//! What a migration changes in a catalogue: how expected catalogues are kept under version control,
//! so that a diff shows what a migration does.

use serde::{Deserialize, Serialize};

use super::object::{Catalogue, Key, Object};

/// From one catalogue to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Keys of the objects that go away.
    pub removes: Vec<Key>,
    /// Objects that are new or changed, as they are afterwards.
    pub makes: Vec<Object>,
}

impl Step {
    /// What leads from one catalogue to the other; owners are not part of it.
    pub fn between(before: &Catalogue, after: &Catalogue) -> Self {
        let unowned = |object: &Object| Object {
            owner: None,
            ..object.clone()
        };
        let gone = |object: &&Object| after.get(&object.key()).is_none();
        let changed =
            |object: &&Object| before.get(&object.key()).map(unowned) != Some(unowned(object));
        Self {
            removes: before.iter().filter(gone).map(Object::key).collect(),
            makes: after.iter().filter(changed).map(unowned).collect(),
        }
    }

    /// Takes the step.
    pub fn apply(self, catalogue: &mut Catalogue) {
        for key in &self.removes {
            catalogue.remove(key);
        }
        for object in self.makes {
            catalogue.insert(object);
        }
    }
}
