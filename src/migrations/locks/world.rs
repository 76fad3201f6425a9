//! The catalogue as far as locks depend on it: read from a live database once, then carried along
//! from statement to statement, because a pending file builds on the ones before it.

mod load;

use std::collections::{HashMap, HashSet};
use std::iter;

/// Place of a relation in its [`World`].
pub(crate) type Id = usize;

/// Relations, and what else decides about locks.
pub(crate) struct World {
    /// Major version of the server.
    pub major: u32,
    pub relations: Vec<Relation>,
    pub domains: HashMap<String, Domain>,
    /// Names of functions of which at least one is volatile.
    pub volatile: HashSet<String>,
    /// Names of functions that are not the server's own.
    pub functions: HashSet<String>,
    /// Table of each statistics object.
    pub statistics: HashMap<String, Id>,
    by_name: HashMap<String, Id>,
    path: Vec<String>,
}

/// A table, view, index, sequence or composite type.
#[derive(Default)]
pub(crate) struct Relation {
    /// With its schema where that is not `public`.
    pub name: String,
    /// As in `pg_class.relkind`.
    pub kind: char,
    /// Estimated.
    pub rows: u64,
    pub bytes: u64,
    /// Whether `rows` is no more than a guess from the size.
    pub never_analyzed: bool,
    pub gone: bool,
    pub unlogged: bool,
    pub tablespace: String,
    pub method: String,
    pub is_default: bool,
    pub has_triggers: bool,
    pub columns: Vec<Column>,
    pub constraints: Vec<Constraint>,
    /// Of a table.
    pub indexes: Vec<Index>,
    /// Of an index or of an owned sequence.
    pub table: Option<Id>,
    pub parents: Vec<Id>,
    pub children: Vec<Id>,
    /// Of a view.
    pub reads: Vec<Id>,
}

#[derive(Clone)]
pub(crate) struct Column {
    pub name: String,
    pub ty: String,
    pub not_null: bool,
    /// Without its schema; empty for that of the type.
    pub collation: String,
    pub stored: bool,
}

#[derive(Clone)]
pub(crate) struct Constraint {
    pub name: String,
    /// As in `pg_constraint.contype`.
    pub kind: char,
    pub valid: bool,
    pub enforced: bool,
    pub columns: Vec<String>,
    pub target: Option<Id>,
    pub target_columns: Vec<String>,
    /// Columns of which a check says that they are not null.
    pub proves: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Index {
    pub id: Id,
    /// Of its key.
    pub columns: Vec<String>,
    /// All that it depends on: also in expressions, in its predicate and behind INCLUDE.
    pub mentions: Vec<String>,
    /// Neither with expressions nor with a predicate.
    pub exact: bool,
}

pub(crate) struct Domain {
    /// Perhaps another domain.
    pub base: String,
    /// By itself; its base may be besides.
    pub constrained: bool,
    /// Whether its default may be another one for each row; none without a default.
    pub volatile_default: Option<bool>,
}

impl Relation {
    /// Whether it has rows of its own on disk.
    pub fn has_storage(&self) -> bool {
        matches!(self.kind, 'r' | 'm')
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name == name)
    }

    pub fn constraint(&self, name: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|c| c.name == name)
    }
}

impl World {
    /// The relation that a file means by a name, as [`crate::syntax::facts`] gives it.
    pub fn find(&self, name: &str) -> Option<Id> {
        if let Some((schema, bare)) = name.split_once('.') {
            return self.at(&key(schema, bare));
        }
        let on_path = self.path.iter().find_map(|s| self.at(&key(s, name)));
        on_path.or_else(|| self.at(name))
    }

    /// The relation that has a name, as [`Relation::name`] gives it: not looked up on the path.
    pub fn at(&self, name: &str) -> Option<Id> {
        let id = *self.by_name.get(name)?;
        (!self.relations[id].gone).then_some(id)
    }

    /// What a new object is called here: it goes into the first schema of the path, unless it has
    /// a schema of its own.
    pub fn qualify(&self, name: &str) -> String {
        match (name.split_once('.'), self.path.first()) {
            (Some((schema, bare)), _) => key(schema, bare),
            (None, Some(schema)) => key(schema, name),
            (None, None) => name.to_owned(),
        }
    }

    /// Sets the search path, as a migration may do.
    pub fn set_path(&mut self, schemas: Vec<String>) {
        self.path = schemas;
    }

    pub fn path(&self) -> Vec<String> {
        self.path.clone()
    }

    pub fn add(&mut self, relation: Relation) -> Id {
        let id = self.relations.len();
        self.by_name.insert(relation.name.clone(), id);
        self.relations.push(relation);
        id
    }

    pub fn remove(&mut self, id: Id) {
        self.relations[id].gone = true;
    }

    pub fn rename(&mut self, id: Id, name: String) {
        let old = std::mem::replace(&mut self.relations[id].name, name.clone());
        self.by_name.remove(&old);
        self.by_name.insert(name, id);
    }

    /// A relation and all that inherit from it or are partitions of it, parents first.
    pub fn family(&self, id: Id) -> Vec<Id> {
        let mut all = vec![id];
        let mut next = 0;
        while next < all.len() {
            for child in &self.relations[all[next]].children {
                if !all.contains(child) && !self.relations[*child].gone {
                    all.push(*child);
                }
            }
            next += 1;
        }
        all
    }

    /// A relation, with its partitions where it has such: what they share, children that inherit
    /// do not.
    pub fn partitions(&self, id: Id) -> Vec<Id> {
        match self.relations[id].kind {
            'p' | 'I' => self.family(id),
            _ => vec![id],
        }
    }

    /// The foreign keys that refer to a relation: who has it, and which.
    pub fn referrers(&self, id: Id) -> Vec<(Id, &Constraint)> {
        let all = self.relations.iter().enumerate().filter(|(_, r)| !r.gone);
        all.flat_map(|(owner, relation)| relation.constraints.iter().map(move |c| (owner, c)))
            .filter(|(_, constraint)| constraint.target == Some(id))
            .collect()
    }

    /// The views that read a relation.
    pub fn readers(&self, id: Id) -> Vec<Id> {
        let all = self.relations.iter().enumerate();
        all.filter(|(_, r)| !r.gone && r.reads.contains(&id))
            .map(|(reader, _)| reader)
            .collect()
    }

    /// Those that are alive and of one of the kinds, in a schema.
    pub fn of_schema(&self, schema: &str, kinds: &[char]) -> Vec<Id> {
        let inside = |r: &Relation| match r.name.split_once('.') {
            Some((s, _)) => s == schema,
            None => schema == "public",
        };
        let all = self.relations.iter().enumerate();
        all.filter(|(_, r)| !r.gone && kinds.contains(&r.kind) && inside(r))
            .map(|(id, _)| id)
            .collect()
    }

    /// Whether a type is a domain whose values are checked.
    pub fn is_constrained_domain(&self, ty: &str) -> bool {
        self.domains_of(ty).any(|domain| domain.constrained)
    }

    /// The type whose values a type has: that of a domain is what it was made of.
    pub fn base<'a>(&'a self, ty: &'a str) -> &'a str {
        self.domains_of(ty).last().map_or(ty, |domain| &domain.base)
    }

    /// Whether a type is a domain, given by its key, or based on it.
    pub fn is_based_on(&self, ty: &str, domain: &str) -> bool {
        let bases = self.domains_of(ty).map(|domain| &domain.base[..]);
        iter::once(ty)
            .chain(bases)
            .any(|ty| self.type_name(ty) == domain)
    }

    /// Whether the default of a domain is volatile; none for a type that has none. A domain has
    /// that of its base where it was made without.
    pub fn volatile_default(&self, ty: &str) -> Option<bool> {
        self.domain(ty)?.volatile_default
    }

    /// A domain, the one that it is based on, and so forth.
    fn domains_of(&self, ty: &str) -> impl Iterator<Item = &Domain> {
        let all = iter::successors(self.domain(ty), |domain| self.domain(&domain.base));
        // A name that the search path gives to two of them must not lead in circles.
        all.take(self.domains.len())
    }

    fn domain(&self, ty: &str) -> Option<&Domain> {
        self.domains.get(&self.type_name(ty))
    }

    /// One name for all spellings of a type, whether a file or the server wrote it.
    pub fn type_name(&self, ty: &str) -> String {
        if let Some((schema, bare)) = ty.split_once('.') {
            return key(schema, bare);
        }
        let keys = self.path.iter().map(|schema| key(schema, ty));
        let mut known = keys.filter(|key| self.domains.contains_key(key));
        known.next().unwrap_or_else(|| ty.to_owned())
    }
}

fn key(schema: &str, name: &str) -> String {
    match schema {
        "public" => name.to_owned(),
        _ => format!("{schema}.{name}"),
    }
}
